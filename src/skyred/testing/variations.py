"""Components that differ in one option: other values of it, from nothing but its declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import FieldError
from skyred.fields import FieldSpec, FrozenMapping, specs
from skyred.interfaces import Fields

#: What an option of some words may be, as YAML has it.
_KNOWN: dict[str, tuple[Any, ...]] = {
    "true or false": (True, False),
    "a text": ("crab", "a: b", "1e3"),
    "a text or number": ("crab", 3),
    "a number, with or without a unit": (2.5, "3 deg"),
    "a name": ("crab", "a.b"),
    "a mapping": ({"crab": 1}, {"a": {"type": "pl"}}),
    "a location": ("$SOMEWHERE/a b", "e.fits"),
    "a position on the sky": (["10 deg", "20 deg"], ["11 deg", "-5 deg"]),
    "regions of the sky": (["icrs; circle(83.63, 22.14, 0.2)"], ["galactic; box(1, 2, 3, 4, 5)"]),
    "a date and time": ("2004-12-06T23:45:00", "2020-01-01T00:00:00"),
}


def variations(held: Fields) -> Iterator[tuple[str, Any]]:
    """Yield options with copies of an object that differ in just that option.

    An option is left out if no other value of it is found that the object takes.
    """
    for name, spec in specs(type(held)).items():
        for changed in _others(getattr(held, name), spec):
            made = _with(held, name, changed)
            if made is not None and spec.key(getattr(made, name)) != _key(held, name, spec):
                yield name, made
                break


def _key(held: Fields, name: str, spec: FieldSpec) -> Any:
    value = getattr(held, name)
    return None if value is None else spec.key(value)


def _with(held: Fields, name: str, value: Any) -> Any:
    try:
        made = attrs.evolve(held, **{name: value})  # type: ignore[misc]
    except (FieldError, TypeError, ValueError):
        return None
    return made if getattr(made, name) is not None else None


def _others(value: Any, spec: FieldSpec) -> Iterator[Any]:
    if spec.shape == "leaf":
        yield from _changed(value)
        yield from _raw(spec)
    elif spec.shape == "one" and value is not None:
        yield from _varied(value)
    elif spec.shape == "many" and value:
        yield from ((other, *value[1:]) for other in _varied(value[0]))
    elif spec.shape == "map" and value:
        first = next(iter(value))
        for other in _varied(value[first]):
            yield FrozenMapping({**value, first: other})


def _varied(held: Fields) -> Iterator[Any]:
    for _, changed in variations(held):
        yield changed


def _changed(value: Any) -> Iterator[Any]:
    """Yield values near one that is taken: those are the most likely to be taken too."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, (float, u.Quantity)):
        yield from (value * 0.9, value * 1.1, value + np.ones_like(value))
    elif isinstance(value, tuple) and value:
        yield value[:-1]
        yield from ((*value[:-1], other) for other in _changed(value[-1]))
    elif isinstance(value, str):
        yield from (f"{value}-2", f"{value}2")


def _raw(spec: FieldSpec) -> Iterator[Any]:
    words = spec.type_name
    each: Callable[[Any], Any] = lambda one: one  # noqa: E731 - as it is, or in a list
    if words.startswith("a list"):
        words, each = words.partition("each ")[2], lambda one: [one]
    if words.startswith("one of "):
        yield from map(each, words.removeprefix("one of ").split(", "))
    bounds = [float(found) for found in re.findall(r"(?:from|to|least|most) (-?[\d.e+-]+)", words)]
    if words.startswith("a whole number"):
        yield from (each(int(bound) + step) for bound in bounds or [1] for step in (0, 1, -1))
    elif re.match("a number", words):
        yield from (each(bound + step) for bound in bounds or [1.0] for step in (0, 0.5, -0.5))
    yield from map(each, _KNOWN.get(words, ()))
    if spec.unit or words == "a number without unit":
        yield from (f"{number} {spec.unit}" for number in (1, 2, 0.1))
        yield from ([f"{a} {spec.unit}", f"{b} {spec.unit}"] for a, b in ((1, 2), (0.1, 0.4)))
        yield [f"{number} {spec.unit}" for number in (1, 2, 3)]
