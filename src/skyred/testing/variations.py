"""Copies of components with a different value of one option, derived from its declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import FieldError
from skyred.fields import FieldSpec, FrozenMapping, ModelParameter, specs
from skyred.interfaces import Fields

#: Examples of YAML values by the name of the type of an option.
_EXAMPLES: dict[str, tuple[Any, ...]] = {
    "true or false": (True, False),
    "a string": ("crab", "a: b", "1e3"),
    "a string or number": ("crab", 3),
    "a number, with or without a unit": (2.5, "3 deg"),
    "a name": ("crab", "a.b"),
    "a mapping": ({"crab": 1}, {"a": {"type": "pl"}}),
    "a location": ("$SOMEWHERE/a b", "e.fits"),
    "a position on the sky": (["10 deg", "20 deg"], ["11 deg", "-5 deg"]),
    "regions of the sky": (["icrs; circle(83.63, 22.14, 0.2)"], ["galactic; box(1, 2, 3, 4, 5)"]),
    "a date and time": ("2004-12-06T23:45:00", "2020-01-01T00:00:00"),
}


def variations(instance: Fields) -> Iterator[tuple[str, Any]]:
    """Yield copies of an object that differ in one option.

    Options without another valid value among the candidates are skipped.

    Parameters
    ----------
    instance : Fields
        The object.

    Yields
    ------
    name : str
        The name of the option.
    variation : Fields
        A copy with another value of the option.
    """
    for name, spec in specs(type(instance)).items():
        for value in _candidates(getattr(instance, name), spec):
            variation = _with_value(instance, name, value)
            if variation is not None and spec.key(getattr(variation, name)) != _key(
                instance, name, spec
            ):
                yield name, variation
                break


def leaf_variations(instance: Fields, name: str, max_number: int = 3) -> Iterator[Any]:
    """Yield copies of an object with other values of one option.

    Parameters
    ----------
    instance : Fields
        The object.
    name : str
        The name of the option. There are no variations if its values are objects with options.
    max_number : int
        The maximum number of copies.

    Yields
    ------
    Fields
        Each copy.
    """
    spec = specs(type(instance))[name]
    if spec.shape != "leaf":
        return
    number = 0
    for value in _candidates(getattr(instance, name), spec):
        variation = _with_value(instance, name, value)
        if variation is None or spec.key(getattr(variation, name)) == _key(instance, name, spec):
            continue
        yield variation
        number += 1
        if number == max_number:
            return


def _key(instance: Fields, name: str, spec: FieldSpec) -> Any:
    value = getattr(instance, name)
    return None if value is None else spec.key(value)


def _with_value(instance: Fields, name: str, value: Any) -> Any:
    try:
        variation = attrs.evolve(instance, **{name: value})  # type: ignore[misc]
    except (FieldError, TypeError, ValueError):
        return None
    return variation if getattr(variation, name) is not None else None


def _candidates(value: Any, spec: FieldSpec) -> Iterator[Any]:
    if spec.shape == "leaf":
        yield from _changed_values(value)
        yield from _values_of_type(spec)
    elif spec.shape == "one" and value is not None:
        yield from _iter_variations(value)
    elif spec.shape == "many" and value:
        yield from ((variation, *value[1:]) for variation in _iter_variations(value[0]))
    elif spec.shape == "map" and value:
        first_name = next(iter(value))
        for variation in _iter_variations(value[first_name]):
            yield FrozenMapping({**value, first_name: variation})


def _iter_variations(instance: Fields) -> Iterator[Any]:
    for _, variation in variations(instance):
        yield variation


def _changed_values(value: Any) -> Iterator[Any]:
    """Yield values close to a valid value, because they are most likely to be valid too."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, ModelParameter):
        yield from _changed_values(value.quantity)
    elif isinstance(value, (float, u.Quantity)):
        yield from (value * 0.9, value * 1.1, value + np.ones_like(value))
    elif isinstance(value, tuple) and value:
        yield value[:-1]
        yield from ((*value[:-1], last) for last in _changed_values(value[-1]))
    elif isinstance(value, str):
        yield from (f"{value}-2", f"{value}2")


def _values_of_type(spec: FieldSpec) -> Iterator[Any]:
    type_name = spec.type_name
    wrap: Callable[[Any], Any] = lambda value: value  # noqa: E731 - replaced for lists
    if type_name.startswith("a list"):
        type_name, wrap = type_name.partition("each ")[2], lambda value: [value]
    if type_name.startswith("one of "):
        yield from map(wrap, type_name.removeprefix("one of ").split(", "))
    bounds = [
        float(bound) for bound in re.findall(r"(?:from|to|least|most) (-?[\d.e+-]+)", type_name)
    ]
    if type_name.startswith("an integer"):
        yield from (wrap(int(bound) + step) for bound in bounds or [1] for step in (0, 1, -1))
    elif re.match("a number", type_name):
        yield from (wrap(bound + step) for bound in bounds or [1.0] for step in (0, 0.5, -0.5))
    yield from map(wrap, _EXAMPLES.get(type_name, ()))
    if spec.unit or type_name == "a number without a unit":
        yield from (f"{number} {spec.unit}" for number in (1, 2, 0.1))
        yield from ([f"{a} {spec.unit}", f"{b} {spec.unit}"] for a, b in ((1, 2), (0.1, 0.4)))
        yield [f"{number} {spec.unit}" for number in (1, 2, 3)]
