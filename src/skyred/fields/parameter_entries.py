"""Parameters of models: validation of their entries in a configuration, and conversion to gammapy.

An entry is a value such as ``4e-11 cm-2 s-1 TeV-1``, or a mapping with value, unit, min, max,
frozen, prior and link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.errors import Problem, nearest
from skyred.fields.canonical import thaw
from skyred.fields.priors import PriorTarget, expected_number, prior_to_gammapy

if TYPE_CHECKING:
    from gammapy.modeling import Parameter

PARAMETER_KEYS = ("value", "unit", "min", "max", "error", "frozen", "prior", "link", "interp",
                  "scale_method", "scale_transform", "name")  # fmt: skip


class SubmodelError(Exception):
    """An error in the mapping of a submodel, with the path of the invalid entry.

    Parameters
    ----------
    problem : Problem
        The problem, with its path in the mapping.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def validate_entry(value: Any, name: str, default: Any) -> dict[str, Any]:
    """Check the value, unit and limits of a parameter, and return a complete entry.

    Parameters
    ----------
    value : object
        The value, or the mapping, of the parameter in the configuration.
    name : str
        The name of the parameter.
    default : gammapy.modeling.Parameter
        The parameter with the defaults of its class.

    Returns
    -------
    dict
        The entry. Value, limits and error are numbers in the unit of the entry.

    Raises
    ------
    SubmodelError
        If a key or a value is not valid.
    """
    entry = dict(value) if isinstance(value, dict) else {"value": value}
    for key in entry:
        if key not in PARAMETER_KEYS:
            suggestion = nearest(key, PARAMETER_KEYS)
            expected = f"available: {', '.join(PARAMETER_KEYS[:8])}"
            raise SubmodelError(Problem((name, key), "unknown key", expected, suggestion))
    entry.setdefault("value", str(default.quantity))
    quantity = _starting_value(entry, name, default.unit)
    unit = quantity.unit
    for key in ("min", "max"):  # in the unit of the entry
        if not np.isnan(limit := getattr(default, key)):
            entry.setdefault(key, u.Quantity(limit, default.unit))
    entry["value"], entry["unit"] = float(quantity.value), unit.to_string()
    expected = expected_number(unit)
    for key in ("min", "max", "error"):
        if key in entry:
            entry[key] = float(_parse_quantity(entry[key], unit, name, expected).to_value(unit))
    _check_limits(entry, name, quantity)
    return {"name": name, "frozen": default.frozen, **entry}


def _starting_value(entry: Mapping[str, Any], name: str, default_unit: u.UnitBase) -> u.Quantity:
    """Return the value of an entry, in its own unit; raise an error if the unit is incompatible."""
    expected = expected_number(default_unit, unit_required="unit" not in entry)
    unit = u.Unit(entry.get("unit") or "")
    quantity = _parse_quantity(entry["value"], unit, name, expected)
    if not quantity.unit.is_equivalent(default_unit):
        raise SubmodelError(
            Problem(
                (name,),
                f"{str(entry['value'])!r} is in {str(quantity.unit) or 'no unit'}",
                f"expected {f'a unit such as {default_unit}' if str(default_unit) else 'no unit'}",
            )
        )
    return quantity


def _check_limits(entry: Mapping[str, Any], name: str, quantity: u.Quantity) -> None:
    """Raise an error unless the limits increase, and the value is inside them."""
    low, high = entry.get("min", float("-inf")), entry.get("max", float("inf"))
    if low > high:
        raise SubmodelError(Problem((name, "min"), "is above max", "expected min below max"))
    if not low <= entry["value"] <= high:
        message = f"starts at {quantity}, outside min and max"
        expected = f"expected a value from {low:g} to {high:g} {quantity.unit}".rstrip()
        raise SubmodelError(Problem((name,), message, expected))


def _parse_quantity(value: Any, unit: u.UnitBase, name: str, expected: str) -> u.Quantity:
    """Convert a value to a quantity; numbers without a unit are in the default unit.

    Parameters
    ----------
    value : object
        The number, string or quantity.
    unit : astropy.units.UnitBase
        The default unit.
    name : str
        The name of the parameter, for the error message.
    expected : str
        What is expected, for the error message.

    Returns
    -------
    astropy.units.Quantity
        The quantity, in the unit of the value.

    Raises
    ------
    SubmodelError
        If the value is not a quantity.
    """
    try:
        quantity = u.Quantity(value)
    except (TypeError, ValueError):
        raise SubmodelError(Problem((name,), f"{value!r} is not a quantity", expected)) from None
    if quantity.unit == u.dimensionless_unscaled and not isinstance(value, u.Quantity):
        return u.Quantity(quantity.value, unit)
    return quantity


def convert_entry(name: str, entry: Mapping[str, Any], default: Any) -> dict[str, Any]:
    """Convert the entry of a parameter to gammapy's format: with its name and gammapy's prior.

    Parameters
    ----------
    name : str
        The name of the parameter.
    entry : mapping
        The entry of the parameter.
    default : gammapy.modeling.Parameter or None
        The parameter with the defaults of its class.

    Returns
    -------
    dict
        The entry.

    Raises
    ------
    SubmodelError
        If the prior is not valid.
    """
    entry = {"name": name, **entry}
    if prior_spec := entry.pop("prior", None):
        unit = u.Unit(entry.get("unit") or getattr(default, "unit", ""))
        prior = prior_to_gammapy(prior_spec, PriorTarget(unit, float(entry["value"])))
        if isinstance(prior, Problem):
            raise SubmodelError(prior.with_prefix(name, "prior"))
        entry["prior"] = prior
    return entry


def set_parameters(model: Any, spec: Mapping[str, Any]) -> None:
    """Set parameters of a model that was built with the default parameters.

    Parameters
    ----------
    model : gammapy.modeling.models.ModelBase
        The model, which is changed in place.
    spec : mapping
        The parameters by name, as numbers, quantities or mappings.

    Raises
    ------
    SubmodelError
        If a parameter or a value is not valid.
    """
    for name, entry in thaw(spec).items():
        if name not in model.parameters.names:
            suggestion = nearest(name, model.parameters.names)
            expected = f"available: {', '.join(model.parameters.names)}"
            raise SubmodelError(Problem((name,), "unknown parameter", expected, suggestion))
        default = model.parameters[name]
        setattr(model, name, create_parameter(name, validate_entry(entry, name, default), default))


def create_parameter(name: str, entry: Mapping[str, Any], default: Any) -> Parameter:
    """Create a parameter of gammapy from its entry.

    Parameters
    ----------
    name : str
        The name of the parameter.
    entry : mapping
        The entry, as returned by `validate_entry`.
    default : gammapy.modeling.Parameter
        The parameter with the defaults of its class.

    Returns
    -------
    gammapy.modeling.Parameter
        The parameter; its link label is resolved when all models are built.

    Raises
    ------
    SubmodelError
        If the prior is not valid.
    """
    from gammapy.modeling import Parameter

    arguments = convert_entry(name, entry, default)
    label = arguments.pop("link", None)
    parameter = Parameter(**arguments)
    parameter._link_label_io = label
    return parameter
