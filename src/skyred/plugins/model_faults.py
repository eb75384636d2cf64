"""Reasons why a class cannot be used as a model of gammapy."""

from __future__ import annotations

import inspect
from typing import Any

from skyred.io.model_types import find_tags


def find_model_fault(cls: Any) -> str:
    """Return the reason why a class cannot be used as a model of gammapy.

    Parameters
    ----------
    cls : object
        The candidate.

    Returns
    -------
    str
        The reason; "" if there is none.
    """
    from gammapy.modeling.models import SpatialModel, SpectralModel, TemporalModel

    bases = (SpectralModel, SpatialModel, TemporalModel)
    if not (isinstance(cls, type) and issubclass(cls, bases)):
        return (
            f"{cls!r} is not a SpectralModel, SpatialModel or TemporalModel class of gammapy, nor "
            "a skyred.ModelClass"
        )
    if not find_tags(vars(cls).get("tag", ())):
        return f'{cls.__name__} has no tag of its own: add one, such as tag = ["{cls.__name__}"]'
    model_class: Any = cls  # gammapy has no types
    names = model_class.default_parameters.names
    if not names and any(len(getattr(base, "default_parameters", ())) for base in cls.__mro__[1:]):
        return (
            f"{cls.__name__} has no parameters: gammapy does not inherit those of a base class; "
            "repeat them in the class: index = Base.index"
        )
    return _find_evaluate_fault(cls, names)


def _find_evaluate_fault(cls: Any, names: list[str]) -> str:
    """Return a fault if `evaluate`, which gammapy calls by name, lacks a parameter."""
    if not callable(getattr(cls, "evaluate", None)):
        return f"{cls.__name__} has no method evaluate: add it, with its parameters as arguments"
    arguments = inspect.signature(cls.evaluate).parameters
    variable = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    if any(argument.kind in variable for argument in arguments.values()):
        return ""
    if missing := [name for name in names if name not in arguments]:
        return f"{cls.__name__}.evaluate has no argument {', '.join(missing)}, a parameter"
    return ""
