"""Check of a single component in a pipeline, for tests of components."""

from __future__ import annotations

from skyred import Model, Problem
from skyred.interfaces import Fields
from toys import toy_pipeline


def problems_of(part: Fields) -> list[Problem]:
    """Return the problems of a component in a toy pipeline; a model replaces its models."""
    pipeline = toy_pipeline()
    if isinstance(part, Model):
        pipeline = pipeline.evolve(model=[part])
    return list(part.check(pipeline))
