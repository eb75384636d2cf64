"""Options of model components that are parameters of a fit: value, limits, prior and link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import FieldError, did_you_mean, format_value
from skyred.fields.canonical import freeze, plain_key, thaw
from skyred.fields.parameter_entries import (
    SubmodelError,
    convert_entry,
    create_parameter,
    validate_entry,
)
from skyred.fields.quantities import plain
from skyred.fields.spec import REQUIRED, FieldSpec, declare, specs

if TYPE_CHECKING:
    from gammapy.modeling import Parameter

KEYS = "value, unit, min, max, frozen, prior, link"


@attrs.frozen
class DeclaredParameter:
    """The defaults of a parameter, with the attributes of gammapy's `Parameter`.

    Parameters
    ----------
    unit : astropy.units.UnitBase
        The unit of the limits.
    quantity : astropy.units.Quantity or None
        The starting value; None if it is required.
    min, max : float
        The limits; NaN if there are none.
    frozen : bool
        Whether the parameter is fixed by default.
    """

    unit: u.UnitBase
    quantity: u.Quantity | None = None
    min: float = np.nan
    max: float = np.nan
    frozen: bool = False


@attrs.frozen
class ModelParameter:
    """The setting of a parameter of a model component, declared with `parameter`.

    Parameters
    ----------
    setting : mapping
        The keys in the configuration: value, unit, min, max, frozen, prior, link.
    entry : mapping
        All keys, with numbers in the unit of the value.
    default : DeclaredParameter
        The declared defaults.
    name : str
        The name of the field.
    """

    setting: Mapping[str, Any]
    entry: Mapping[str, Any] = attrs.field(repr=False)
    default: DeclaredParameter = attrs.field(repr=False)
    name: str = attrs.field(default="", eq=False, repr=False)

    @property
    def quantity(self) -> u.Quantity:
        """The starting value."""
        return u.Quantity(self.entry["value"], self.entry["unit"])

    def build(self, name: str | None = None) -> Parameter:
        """Create a new parameter of gammapy.

        Parameters
        ----------
        name : str, optional
            The name of the parameter in its gammapy model; by default the name of the field.

        Returns
        -------
        gammapy.modeling.Parameter
            The parameter, with limits, prior and link.
        """
        name = name or self.name
        return create_parameter(name, thaw(self.entry) | {"name": name}, self.default)


def parameter(
    default: Any = REQUIRED,
    *,
    doc: str,
    unit: str = "",
    min: str | float | None = None,
    max: str | float | None = None,
    frozen: bool = False,
) -> Any:
    """Declare a parameter of a model component, with the settings that parameters of `source` have.

    In YAML and Python, it is set to a value with its unit, or to a mapping with value, unit, min,
    max, frozen, prior and link; those that are missing have the declared defaults. The value of the
    field is a `ModelParameter`. Link labels are checked with those of the other models.

    Parameters
    ----------
    default : str or float or Quantity
        The starting value; by default the parameter is required.
    doc : str
        The description, one sentence.
    unit : str
        A unit of the parameter; by default that of the starting value.
    min, max : str or float, optional
        The default limits, with units; numbers are in the unit of the parameter.
    frozen : bool
        Whether the parameter is fixed by default.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """
    value = None if default in (None, REQUIRED) else u.Quantity(default)
    reference_unit = value.unit if value is not None and not unit else u.Unit(unit)
    limits = [
        np.nan if limit is None else float(_as_quantity(limit, reference_unit).value)
        for limit in (min, max)
    ]
    low, high = limits
    declared = DeclaredParameter(reference_unit, value, low, high, frozen)

    def parse(setting: Any) -> ModelParameter:
        return _parse(setting, declared)

    spec = FieldSpec(
        type_name=_describe_type(declared),
        doc=doc,
        parse=parse,
        key=lambda field_value: plain_key(field_value.setting),
        plain=_to_plain,
        unit=reference_unit.to_string(),
        add_name=lambda field_value, name: attrs.evolve(field_value, name=name),
    )
    return declare(spec, default)


def _as_quantity(limit: Any, unit: u.UnitBase) -> u.Quantity:
    """Return a limit in a unit; a number without a unit is in this unit."""
    return (
        u.Quantity(limit, unit) if isinstance(limit, (int, float)) else u.Quantity(limit).to(unit)
    )


def _parse(setting: Any, declared: DeclaredParameter) -> ModelParameter:
    if isinstance(setting, ModelParameter):
        setting = setting.setting
    if isinstance(setting, u.Quantity):
        setting = plain(setting)
    settings = thaw(freeze(setting)) if isinstance(setting, Mapping) else {"value": setting}
    if "value" not in settings and declared.quantity is None:
        raise FieldError(f"{format_value(setting)} has no value", f"expected a mapping with {KEYS}")
    try:
        entry = validate_entry(settings, "parameter", declared)
        convert_entry("parameter", entry, declared)  # checks the prior
    except SubmodelError as error:
        problem = error.problem
        key = ".".join(str(part) for part in problem.path[1:])
        message = f"{key}: {problem.message}" if key else problem.message
        raise FieldError(message, problem.expected, problem.suggestion) from None
    return ModelParameter(freeze(settings), freeze(entry), declared)


def _to_plain(field_value: ModelParameter) -> Any:
    settings = thaw(field_value.setting)
    return settings["value"] if set(settings) == {"value"} else settings


def _describe_type(declared: DeclaredParameter) -> str:
    unit = f" in {declared.unit}" if str(declared.unit) else ""
    limits = [
        f"{name} {limit:g}"
        for name, limit in (("min", declared.min), ("max", declared.max))
        if not np.isnan(limit)
    ]
    details = ", ".join([*limits, *(["frozen"] if declared.frozen else [])])
    description = f"a parameter{unit}" + (f" ({details})" if details else "")
    return f"{description}: a value, or a mapping with {KEYS}"


def find_parameters(component: Any) -> dict[str, ModelParameter]:
    """Return the parameters of a component.

    Parameters
    ----------
    component : Component
        The component.

    Returns
    -------
    dict of str to ModelParameter
        The parameters by name, except those that are None or invalid; none for placeholders of
        components that could not be built.
    """
    if not attrs.has(type(component)):
        return {}
    values = {name: getattr(component, name, None) for name in specs(type(component))}
    return {name: item for name, item in values.items() if isinstance(item, ModelParameter)}


def build_parameters(component: Any, *names: str) -> dict[str, Parameter]:
    """Create the gammapy parameters of a model component, which were declared with `parameter`.

    Parameters
    ----------
    component : Component
        The component.
    *names : str
        The names of the fields, if the component has parameters of several gammapy models; by
        default all.

    Returns
    -------
    dict of str to gammapy.modeling.Parameter
        New parameters by name, to be passed to a model of gammapy with the same names:
        ``DarkMatterBox(**build_parameters(self))``.

    Raises
    ------
    ValueError
        If the component has no parameter of a name.
    """
    parameters = find_parameters(component)
    for name in names:
        if name not in parameters:
            raise ValueError(
                f"{type(component).__name__} has no parameter {name!r}"
                f"{did_you_mean(name, parameters)}; it has {', '.join(parameters) or 'none'}"
            )
    return {name: parameters[name].build(name) for name in names or parameters}
