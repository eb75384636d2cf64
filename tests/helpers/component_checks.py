"""Check of a single component as part of a pipeline."""

from __future__ import annotations

from skyred import Model, Problem
from skyred.interfaces import Fields
from toys import toy_pipeline


def problems_of(component: Fields) -> list[Problem]:
    """Check a component in a toy pipeline, and return the problems.

    A model replaces the models of the pipeline.
    """
    pipeline = toy_pipeline()
    if isinstance(component, Model):
        pipeline = pipeline.evolve(model=[component])
    return list(component.check(pipeline))
