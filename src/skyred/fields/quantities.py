"""Quantities: numbers with units, checked for their physical type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from astropy import units as u

from skyred.errors import FieldError
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
    """Declare a quantity: held as a read-only `astropy.units.Quantity`, in the unit it was given.

    Parameters
    ----------
    default : str or Quantity or list of them
        The default, or nothing if it must be given; None makes it optional.
    doc : str
        What it is for, one sentence.
    unit : str
        A unit that would do, or "any"; needed where there is no default to take it from.
    many : bool
        Whether it is a list of quantities, held as one array.
    count : int, optional
        How many it must be; implies `many`. A single value is taken for all of them.
    min, max : str, optional
        Bounds, both included, as quantities.
    """
    many = many or count is not None
    example = None if unit == "any" else u.Unit(unit) if unit else _unit_of(default)
    article = "a number, with or without a unit" if example is None else _type_words(example)
    spec = FieldSpec(
        type_name=f"a list of quantities, each {article}" if many else article,
        doc=doc,
        parse=_parser(_checker(example, min, max), many, count),
        key=quantity_key,
        plain=plain,
        unit="" if example is None else example.to_string(),
    )
    return declare(spec, default)


def _parser(
    parse_one: Callable[[Any], u.Quantity], many: bool, count: int | None
) -> Callable[[Any], u.Quantity]:
    return lambda value: _frozen(_array(value, parse_one, count) if many else parse_one(value))


def plain(value: u.Quantity) -> str | list[str]:
    """Write a quantity for YAML, each number with all its digits."""
    unit = value.unit.to_string()
    texts = [f"{number!r} {unit}".rstrip() for number in np.ravel(value.value).tolist()]
    return texts if value.shape else texts[0]


def _read(value: Any) -> u.Quantity:
    try:
        return u.Quantity(value)
    except (TypeError, ValueError):
        raise FieldError(f"{value!r} cannot be read as a quantity") from None


def _unit_of(default: Any) -> u.UnitBase:
    first = default[0] if isinstance(default, (list, tuple)) and default else default
    return _read(first).unit


def _type_words(unit: u.UnitBase) -> str:
    name = str(unit.physical_type).split("/")[0]
    if name == "unknown":
        return f"a quantity in {unit}"
    if name == "dimensionless":
        return "a number without unit"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _checker(
    example: u.UnitBase | None, low: str | None, high: str | None
) -> Callable[[Any], u.Quantity]:
    if example is None:
        expected = "expected a number such as 4 or '50 deg'"
    else:
        expected = f"expected {_type_words(example)} such as '1 {example}'".replace("'1 '", "'1'")

    def parse(value: Any) -> u.Quantity:
        try:
            result = _read(value)
        except FieldError as error:
            raise FieldError(error.problem.message, expected) from None
        if result.shape:
            raise FieldError(f"{str(value)!r} is more than one quantity", expected)
        if example is not None and not result.unit.is_equivalent(example):
            raise FieldError(f"{str(value)!r} is {_type_words(result.unit)}", expected)
        if not np.all(np.isfinite(result.value)):
            raise FieldError(f"{str(value)!r} is not finite", expected)
        if low is not None and np.any(result < u.Quantity(low)):
            raise FieldError(f"is {value}", f"expected at least {low}")
        if high is not None and np.any(result > u.Quantity(high)):
            raise FieldError(f"is {value}", f"expected at most {high}")
        return result

    return parse


def _array(value: Any, parse_one: Callable[[Any], u.Quantity], count: int | None) -> u.Quantity:
    one = isinstance(value, (str, int, float)) or getattr(value, "shape", None) == ()
    try:
        items = [value] * (count or 1) if one else list(value)
    except TypeError:
        raise FieldError(f"is {value!r}", "expected a list of quantities") from None
    if count is not None and len(items) != count:
        raise FieldError(f"has {len(items)} values", f"expected {count}")
    if not items:
        raise FieldError("is an empty list", "expected at least one quantity")
    try:
        return u.Quantity([parse_one(item) for item in items])
    except u.UnitConversionError:
        raise FieldError(f"is {value!r}", "expected quantities of one kind") from None


def _frozen(value: u.Quantity) -> u.Quantity:
    # u.Quantity above made a copy, so this locks nobody else's array
    value = u.Quantity(value, dtype=float)
    value.setflags(write=False)
    return value
