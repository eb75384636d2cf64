"""Priors: conversion from the configuration to gammapy's dictionaries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import Problem, format_value, nearest

UNITLESS_KEYS = ("eta",)  # the other parameters of priors are in the unit of the model parameter
OPTIONAL_KEYS = ("eta", "weight")
POSITIVE_KEYS = ("sigma", "eta")


@attrs.frozen
class PriorTarget:
    """The unit and the starting value of a parameter with a prior.

    Parameters
    ----------
    unit : astropy.units.UnitBase
        The unit of the parameter.
    value : float
        The starting value, in this unit.
    """

    unit: u.UnitBase
    value: float


def short_name(cls: type) -> str:
    """Return the short name of a prior class, such as `log-uniform` for LogUniformPrior.

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
    """Convert a prior such as ``{type: gaussian, mu: 2.5, sigma: 0.1}`` to gammapy's dictionary.

    Numbers with a unit are converted to the unit of the parameter, as gammapy expects them.

    Parameters
    ----------
    prior : mapping
        The prior in the configuration.
    target : PriorTarget
        The parameter with the prior.

    Returns
    -------
    dict or Problem
        The dictionary, or the first problem with the configuration.
    """
    if not isinstance(prior, Mapping) or "type" not in prior:
        expected = "expected a mapping such as {type: gaussian, mu: 2, sigma: 0.1}"
        return Problem((), f"invalid value {format_value(prior)}", expected)
    classes = _classes_by_name()
    prior_type = str(prior["type"])
    if prior_type not in classes:
        short_names = sorted(name for name in classes if name == name.lower())
        suggestion = nearest(prior_type, classes)
        expected = f"available: {', '.join(short_names)}"
        return Problem(("type",), f"unknown prior {prior_type!r}", expected, suggestion)
    cls = classes[prior_type]
    settings = _collect_settings(prior)
    for problem in _key_problems(settings, list(cls.default_parameters.names)):
        return problem
    values: dict[str, float] = {}
    for name, setting in settings.items():
        unit = u.one if name in (*UNITLESS_KEYS, "weight") else target.unit
        value = _to_value(name, setting, unit)
        if isinstance(value, Problem):
            return value
        values[name] = value
    for problem in _value_problems(prior_type, values, target):
        return problem
    weight = values.pop("weight", 1.0)
    parameters = [{"name": name, "value": value} for name, value in values.items()]
    for parameter in cls.default_parameters:
        if parameter.name not in values:
            parameters.append({"name": parameter.name, "value": float(parameter.value)})
    return {"type": cls.tag[0], "parameters": parameters, "weight": weight}


def _classes_by_name() -> dict[str, Any]:
    """Return the prior classes, by their short names and tags."""
    from gammapy.modeling.models import PRIOR_REGISTRY

    classes: dict[str, Any] = {}
    for cls in PRIOR_REGISTRY:
        tags = [cls.tag] if isinstance(cls.tag, str) else cls.tag
        classes |= dict.fromkeys([short_name(cls), *tags], cls)
    return classes


def _collect_settings(prior: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a prior by name, in skyred's or gammapy's format.

    Parameters
    ----------
    prior : mapping
        The prior in the configuration.

    Returns
    -------
    dict of str to object
        The numbers or strings of the configuration.
    """
    settings = {key: setting for key, setting in prior.items() if key not in ("type", "parameters")}
    for entry in prior.get("parameters", ()):
        # gammapy writes no unit, and uses the unit of the parameter
        settings[str(entry.get("name"))] = f"{entry.get('value')} {entry.get('unit') or ''}".strip()
    return settings


def _key_problems(settings: Mapping[str, Any], names: list[str]) -> Iterator[Problem]:
    """Yield problems with unknown and missing keys of a prior.

    Parameters
    ----------
    settings : mapping of str to object
        The settings by name.
    names : list of str
        The names of the parameters of the prior.

    Yields
    ------
    Problem
        Each unknown or missing key.
    """
    for key in settings:
        if key not in (*names, "weight"):
            suggestion = nearest(key, names)
            expected = f"expected {', '.join(names)}"
            yield Problem((key,), "unknown key", expected, suggestion)
    for key in names:
        if key not in settings and key not in OPTIONAL_KEYS:
            yield Problem((), f"missing key {key!r}", f"expected {', '.join(names)}")


def _to_value(name: str, setting: Any, unit: u.UnitBase) -> float | Problem:
    """Convert a setting of a prior to a number in a unit.

    Parameters
    ----------
    name : str
        The name of the setting.
    setting : object
        The number, string or quantity of the configuration, with or without a unit.
    unit : astropy.units.UnitBase
        The unit of the result, and of settings without a unit.

    Returns
    -------
    float or Problem
        The value in the unit, or the problem.
    """
    try:
        quantity = u.Quantity(setting)
    except (TypeError, ValueError):
        return Problem((name,), f"{setting!r:.40} is not a quantity", expected_number(unit))
    if not quantity.isscalar:
        return Problem((name,), f"{setting!r:.40} is not a single number", expected_number(unit))
    if quantity.unit == u.dimensionless_unscaled:
        quantity = u.Quantity(quantity.value, unit)
    if not quantity.unit.is_equivalent(unit):
        message = f"{str(setting)!r} is in {str(quantity.unit) or 'no unit'}"
        expected = f"expected {f'a unit such as {unit}' if str(unit) else 'no unit'}"
        return Problem((name,), message, expected)
    return float(quantity.to_value(unit))


def expected_number(unit: u.UnitBase, unit_required: bool = False) -> str:
    """Return the hint for a value that is not a number.

    Parameters
    ----------
    unit : astropy.units.UnitBase
        A unit of the value; dimensionless if units are rejected.
    unit_required : bool
        Whether a number without a unit is rejected.

    Returns
    -------
    str
        The hint of the error message.
    """
    if not str(unit):
        return "expected a number without a unit"
    with_unit = "with a unit" if unit_required else "optionally with a unit"
    return f"expected a number, {with_unit} such as {unit}"


def _value_problems(
    prior_type: str, values: Mapping[str, float], target: PriorTarget
) -> Iterator[Problem]:
    """Yield problems with invalid values of a prior, or with a starting value that it excludes.

    Parameters
    ----------
    prior_type : str
        The type of the prior.
    values : mapping of str to float
        The values by name.
    target : PriorTarget
        The parameter with the prior.

    Yields
    ------
    Problem
        Each problem.
    """
    for name in POSITIVE_KEYS:
        if values.get(name, 1.0) <= 0:
            yield Problem((name,), f"invalid value {values[name]:g}", "expected more than 0")
    if "min" not in values or "max" not in values:
        return
    low, high = values["min"], values["max"]
    if "log" in prior_type.lower() and low <= 0:
        yield Problem(
            ("min",),
            f"invalid value {low:g}",
            "expected more than 0, since the prior is logarithmic",
        )
    if low >= high:
        yield Problem(("min",), "is not below max", "expected min below max")
    if not low <= target.value <= high or not np.isfinite(target.value):
        message = f"excludes the starting value {target.value:g} {target.unit}".rstrip()
        yield Problem((), message, f"expected a value from {low:g} to {high:g}")
