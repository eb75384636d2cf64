"""Fields for quantities of a physical type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from astropy import units as u

from skyred.errors import FieldError, format_value
from skyred.fields.canonical import quantity_key
from skyred.fields.spec import REQUIRED, FieldSpec, declare


def quantity(
    default: Any = REQUIRED,
    *,
    doc: str,
    unit: str = "",
    many: bool = False,
    count: int | None = None,
    min: str | None = None,
    max: str | None = None,
) -> Any:
    """Declare a quantity, stored as a read-only `astropy.units.Quantity` in its original unit.

    Parameters
    ----------
    default : str or Quantity or list of them
        The default; by default the option is required. None makes it optional.
    doc : str
        The description, one sentence.
    unit : str
        A unit of the expected type, or "any"; needed if there is no default.
    many : bool
        Whether it is a list of quantities, stored as one array.
    count : int, optional
        The number of quantities; implies `many`. A single value is repeated.
    min, max : str, optional
        Bounds, both included, as quantities.

    Returns
    -------
    attrs field
        The field, to be assigned in the body of the class.
    """
    many = many or count is not None
    reference_unit = None if unit == "any" else u.Unit(unit) if unit else _unit_of(default)
    type_name = (
        "a number, with or without a unit"
        if reference_unit is None
        else _describe_type(reference_unit)
    )
    spec = FieldSpec(
        type_name=f"a list of quantities, each {type_name}" if many else type_name,
        doc=doc,
        parse=_parser(_quantity_parser(reference_unit, min, max), many, count),
        key=quantity_key,
        plain=plain,
        unit="" if reference_unit is None else reference_unit.to_string(),
    )
    return declare(spec, default)


def _parser(
    parse_one: Callable[[Any], u.Quantity], many: bool, count: int | None
) -> Callable[[Any], u.Quantity]:
    return lambda value: _read_only(_array(value, parse_one, count) if many else parse_one(value))


def plain(value: u.Quantity) -> str | list[str]:
    """Convert a quantity to plain YAML data.

    Parameters
    ----------
    value : Quantity
        The quantity, a scalar or an array.

    Returns
    -------
    str or list of str
        Numbers with all digits, and the unit.
    """
    unit = value.unit.to_string()
    strings = [f"{number!r} {unit}".rstrip() for number in np.ravel(value.value).tolist()]
    return strings if value.shape else strings[0]


def _to_quantity(value: Any) -> u.Quantity:
    try:
        return u.Quantity(value)
    except (TypeError, ValueError):
        raise FieldError(f"{format_value(value)} cannot be read as a quantity") from None


def _unit_of(default: Any) -> u.UnitBase:
    first = default[0] if isinstance(default, (list, tuple)) and default else default
    if first is None or first is REQUIRED:
        raise FieldError("has no default and no unit", "set unit, such as 'deg'")
    return _to_quantity(first).unit


def _describe_type(unit: u.UnitBase) -> str:
    name = str(unit.physical_type).split("/")[0]
    if name == "unknown":
        return f"a quantity in {unit}"
    if name == "dimensionless":
        return "a number without a unit"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _quantity_parser(
    reference_unit: u.UnitBase | None, low: str | None, high: str | None
) -> Callable[[Any], u.Quantity]:
    if reference_unit is None:
        expected = "expected a number such as 4 or '50 deg'"
    else:
        expected = f"expected {_describe_type(reference_unit)}"
        if " " not in str(reference_unit):  # '1 1 / (TeV s cm2)' would be confusing
            expected += f" such as '{f'1 {reference_unit}'.rstrip()}'"

    def parse(value: Any) -> u.Quantity:
        try:
            result = _to_quantity(value)
        except FieldError as error:
            raise FieldError(error.problem.message, expected) from None
        if result.shape:
            raise FieldError(f"{str(value)!r} is not a single quantity", expected)
        if reference_unit is not None and not result.unit.is_equivalent(reference_unit):
            has_unit = result.unit != u.dimensionless_unscaled
            description = f"is {_describe_type(result.unit)}" if has_unit else "has no unit"
            raise FieldError(f"{str(value)!r} {description}", expected)
        if not np.all(np.isfinite(result.value)):
            raise FieldError(f"{str(value)!r} is not finite", expected)
        if low is not None and np.any(result < u.Quantity(low)):
            raise FieldError(f"invalid value {value}", f"expected at least {low}")
        if high is not None and np.any(result > u.Quantity(high)):
            raise FieldError(f"invalid value {value}", f"expected at most {high}")
        return result

    return parse


def _array(value: Any, parse_one: Callable[[Any], u.Quantity], count: int | None) -> u.Quantity:
    is_scalar = isinstance(value, (str, int, float)) or getattr(value, "shape", None) == ()
    try:
        items = [value] * (count or 1) if is_scalar else list(value)
    except TypeError:
        raise FieldError(
            f"invalid value {format_value(value)}", "expected a list of quantities"
        ) from None
    if count is not None and len(items) != count:
        raise FieldError(f"has {len(items)} values", f"expected {count}")
    if not items:
        raise FieldError("is an empty list", "expected at least one quantity")
    try:
        return u.Quantity([parse_one(item) for item in items])
    except u.UnitConversionError:
        raise FieldError(
            f"invalid value {format_value(value)}", "expected quantities of the same physical type"
        ) from None


def _read_only(value: u.Quantity) -> u.Quantity:
    value = u.Quantity(value, dtype=float)  # a copy: the caller's array stays writable
    value.setflags(write=False)
    return value
