"""Priors: from what a configuration says of one to the dictionary that gammapy reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import Problem, nearest

UNITLESS = ("eta",)  # of a prior's parameters; all others are in the unit of what they are for
OPTIONAL = ("eta", "weight")
POSITIVE = ("sigma", "eta")


@attrs.frozen
class About:
    """The parameter that a prior is for: its unit and where it starts."""

    unit: u.UnitBase
    value: float


def short_name(cls: type) -> str:
    """Give the short name of a class of priors: `log-uniform` of LogUniformPrior."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__.removesuffix("Prior")).lower()


def prior_to_gammapy(given: Any, about: About) -> dict[str, Any] | Problem:
    """Give gammapy's dictionary of ``{type: gaussian, mu: 2.5, sigma: 0.1}``, or what is wrong.

    Numbers with a unit are converted to that of the parameter, which gammapy takes them to be in.
    """
    if not isinstance(given, Mapping) or "type" not in given:
        expected = "expected a mapping such as {type: gaussian, mu: 2, sigma: 0.1}"
        return Problem((), f"is {given!r:.60}", expected)
    classes = _classes()
    kind = str(given["type"])
    if kind not in classes:
        short = sorted(name for name in classes if name == name.lower())
        near = nearest(kind, classes)
        expected = f"expected one of {', '.join(short)}"
        return Problem(("type",), f"there is no prior {kind!r}", expected, near)
    cls = classes[kind]
    numbers = _numbers(given)
    for problem in _misspelt(numbers, list(cls.default_parameters.names)):
        return problem
    values: dict[str, float] = {}
    for name, number in numbers.items():
        value = _value(name, number, u.one if name in (*UNITLESS, "weight") else about.unit)
        if isinstance(value, Problem):
            return value
        values[name] = value
    for problem in _senseless(kind, values, about):
        return problem
    weight = values.pop("weight", 1.0)
    listed = [{"name": name, "value": value} for name, value in values.items()]
    for default in cls.default_parameters:
        if default.name not in values:
            listed.append({"name": default.name, "value": float(default.value)})
    return {"type": cls.tag[0], "parameters": listed, "weight": weight}


def _classes() -> dict[str, Any]:
    from gammapy.modeling.models import PRIOR_REGISTRY

    found: dict[str, Any] = {}
    for cls in PRIOR_REGISTRY:
        tags = [cls.tag] if isinstance(cls.tag, str) else cls.tag
        found |= dict.fromkeys([short_name(cls), *tags], cls)
    return found


def _numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Take the numbers out of either way of writing."""
    plain = {name: each for name, each in given.items() if name not in ("type", "parameters")}
    for entry in given.get("parameters", ()):
        # gammapy writes no unit, and takes the parameter's
        plain[str(entry.get("name"))] = f"{entry.get('value')} {entry.get('unit') or ''}".strip()
    return plain


def _misspelt(numbers: Mapping[str, Any], known: list[str]) -> Iterator[Problem]:
    for name in numbers:
        if name not in (*known, "weight"):
            near = nearest(name, known)
            expected = f"expected {', '.join(known)}"
            yield Problem((name,), "there is no such key", expected, near)
    for name in known:
        if name not in numbers and name not in OPTIONAL:
            yield Problem((), f"lacks {name!r}", f"expected {', '.join(known)}")


def _value(name: str, given: Any, unit: u.UnitBase) -> float | Problem:
    try:
        number = u.Quantity(given)
    except (TypeError, ValueError):
        return Problem((name,), f"{given!r:.40} is no quantity", "expected a number with its unit")
    if number.unit == u.dimensionless_unscaled:
        number = u.Quantity(number.value, unit)
    if not number.unit.is_equivalent(unit):
        expected = f"expected {f'a unit such as {unit}' if str(unit) else 'no unit'}"
        return Problem((name,), f"{str(given)!r} is in {str(number.unit) or 'no unit'}", expected)
    return float(number.to_value(unit))


def _senseless(kind: str, values: Mapping[str, float], about: About) -> Iterator[Problem]:
    for name in POSITIVE:
        if values.get(name, 1.0) <= 0:
            yield Problem((name,), f"is {values[name]:g}", "expected more than 0")
    if "min" not in values or "max" not in values:
        return
    low, high = values["min"], values["max"]
    if "log" in kind.lower() and low <= 0:
        yield Problem(("min",), f"is {low:g}", "expected more than 0, for its logarithm")
    if low >= high:
        yield Problem(("min",), "is not below the max", "expected min below max")
    if not low <= about.value <= high or not np.isfinite(about.value):
        message = f"does not allow the starting value {about.value:g} {about.unit}".rstrip()
        yield Problem((), message, f"start between {low:g} and {high:g}")
