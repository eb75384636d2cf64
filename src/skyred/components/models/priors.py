"""Priors: conversion from the configuration to gammapy's dictionaries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import Problem, format_value, nearest

UNITLESS = ("eta",)  # all others are in the unit of the parameter
OPTIONAL = ("eta", "weight")
POSITIVE = ("sigma", "eta")


@attrs.frozen
class PriorTarget:
    """The unit and the starting value of the parameter that a prior is for."""

    unit: u.UnitBase
    value: float


def short_name(cls: type) -> str:
    """Return the short name of a class of priors, such as `log-uniform` for LogUniformPrior.

    Parameters
    ----------
    cls : type
        The class.

    Returns
    -------
    str
        The name, in lower case with dashes.
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__.removesuffix("Prior")).lower()


def prior_to_gammapy(prior: Any, target: PriorTarget) -> dict[str, Any] | Problem:
    """Return gammapy's dictionary of a prior such as ``{type: gaussian, mu: 2.5, sigma: 0.1}``.

    Numbers with a unit are converted to the unit of the parameter, as gammapy expects them.

    Parameters
    ----------
    prior : mapping
        The prior in the configuration.
    target : PriorTarget
        The parameter that the prior is for.

    Returns
    -------
    dict or Problem
        The dictionary, or the problem of the configuration.
    """
    if not isinstance(prior, Mapping) or "type" not in prior:
        expected = "expected a mapping such as {type: gaussian, mu: 2, sigma: 0.1}"
        return Problem((), f"is {format_value(prior)}", expected)
    classes = _classes()
    kind = str(prior["type"])
    if kind not in classes:
        short_names = sorted(name for name in classes if name == name.lower())
        suggestion = nearest(kind, classes)
        expected = f"available: {', '.join(short_names)}"
        return Problem(("type",), f"unknown prior {kind!r}", expected, suggestion)
    cls = classes[kind]
    numbers = _numbers(prior)
    for problem in _name_problems(numbers, list(cls.default_parameters.names)):
        return problem
    values: dict[str, float] = {}
    for name, number in numbers.items():
        value = _value(name, number, u.one if name in (*UNITLESS, "weight") else target.unit)
        if isinstance(value, Problem):
            return value
        values[name] = value
    for problem in _value_problems(kind, values, target):
        return problem
    weight = values.pop("weight", 1.0)
    parameters = [{"name": name, "value": value} for name, value in values.items()]
    for default in cls.default_parameters:
        if default.name not in values:
            parameters.append({"name": default.name, "value": float(default.value)})
    return {"type": cls.tag[0], "parameters": parameters, "weight": weight}


def _classes() -> dict[str, Any]:
    """Return the classes of priors, by their short names and tags."""
    from gammapy.modeling.models import PRIOR_REGISTRY

    classes: dict[str, Any] = {}
    for cls in PRIOR_REGISTRY:
        tags = [cls.tag] if isinstance(cls.tag, str) else cls.tag
        classes |= dict.fromkeys([short_name(cls), *tags], cls)
    return classes


def _numbers(prior: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a prior by name, from either format.

    Parameters
    ----------
    prior : mapping
        The prior in the configuration.

    Returns
    -------
    dict of str to object
        The values as they are written.
    """
    plain = {name: number for name, number in prior.items() if name not in ("type", "parameters")}
    for entry in prior.get("parameters", ()):
        # gammapy writes no unit, and uses the unit of the parameter
        plain[str(entry.get("name"))] = f"{entry.get('value')} {entry.get('unit') or ''}".strip()
    return plain


def _name_problems(numbers: Mapping[str, Any], names: list[str]) -> Iterator[Problem]:
    """Yield problems with unknown and missing keys of a prior.

    Parameters
    ----------
    numbers : mapping of str to object
        The values by name.
    names : list of str
        The names of the parameters of the prior.

    Yields
    ------
    Problem
        Each unknown or missing key.
    """
    for key in numbers:
        if key not in (*names, "weight"):
            suggestion = nearest(key, names)
            expected = f"expected {', '.join(names)}"
            yield Problem((key,), "unknown key", expected, suggestion)
    for key in names:
        if key not in numbers and key not in OPTIONAL:
            yield Problem((), f"missing key {key!r}", f"expected {', '.join(names)}")


def _value(name: str, entry: Any, unit: u.UnitBase) -> float | Problem:
    """Return the value of a number of a prior in a unit, or a problem.

    Parameters
    ----------
    name : str
        The name of the number.
    entry : object
        The value as it is written, with or without a unit.
    unit : astropy.units.UnitBase
        The unit of the result.

    Returns
    -------
    float or Problem
        The value in the unit, or the problem.
    """
    try:
        number = u.Quantity(entry)
    except (TypeError, ValueError):
        return Problem((name,), f"{entry!r:.40} is not a quantity", "expected a number with a unit")
    if number.unit == u.dimensionless_unscaled:
        number = u.Quantity(number.value, unit)
    if not number.unit.is_equivalent(unit):
        expected = f"expected {f'a unit such as {unit}' if str(unit) else 'no unit'}"
        return Problem((name,), f"{str(entry)!r} is in {str(number.unit) or 'no unit'}", expected)
    return float(number.to_value(unit))


def _value_problems(
    kind: str, values: Mapping[str, float], target: PriorTarget
) -> Iterator[Problem]:
    """Yield problems with invalid values of a prior, or an excluded starting value.

    Parameters
    ----------
    kind : str
        The type of the prior.
    values : mapping of str to float
        The values by name.
    target : PriorTarget
        The parameter that the prior is for.

    Yields
    ------
    Problem
        Each problem.
    """
    for name in POSITIVE:
        if values.get(name, 1.0) <= 0:
            yield Problem((name,), f"is {values[name]:g}", "expected more than 0")
    if "min" not in values or "max" not in values:
        return
    low, high = values["min"], values["max"]
    if "log" in kind.lower() and low <= 0:
        yield Problem(("min",), f"is {low:g}", "expected more than 0, for its logarithm")
    if low >= high:
        yield Problem(("min",), "is not below max", "expected min below max")
    if not low <= target.value <= high or not np.isfinite(target.value):
        message = f"excludes the starting value {target.value:g} {target.unit}".rstrip()
        yield Problem((), message, f"expected a value from {low:g} to {high:g}")
