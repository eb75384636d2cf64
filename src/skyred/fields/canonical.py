"""Canonical keys: what makes two values the same, and the digest made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
from astropy import units as u

from skyred.errors import FieldError

# 12 of a double's 15 to 16 digits: far below any measurement, far above rounding in unit changes
DIGITS = 12


def number_key(value: float) -> str:
    """Write a number with 12 significant digits, the same for 2 and 2.0."""
    text = f"{float(value):.{DIGITS}g}"
    return "0" if text == "-0" else text


def quantity_key(quantity: u.Quantity) -> Hashable:
    """Give numbers and unit in SI: 0.02 deg and 1.2 arcmin have one key."""
    # not `.si`: it searches for a short name of the unit, which takes 400 times longer
    base = quantity.decompose()
    numbers = tuple(number_key(value) for value in np.ravel(base.value))
    return ("quantity", numbers, base.unit.to_string())


def plain_key(value: Any) -> Hashable:
    """Give the key of plain YAML data; texts such as '0.02 deg' count as quantities."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return ("number", number_key(value))
    if isinstance(value, str):
        quantity = as_quantity(value)
        return value if quantity is None else quantity_key(quantity)
    if isinstance(value, Mapping):
        return ("map", tuple((name, plain_key(value[name])) for name in sorted(value)))
    return ("list", tuple(plain_key(item) for item in value))


def exact_key(value: Any) -> Hashable:
    """Give the key of numbers, texts and lists of them, where a text is only itself."""
    if isinstance(value, tuple):
        return tuple(exact_key(item) for item in value)
    if isinstance(value, float):
        return number_key(value)
    return str(value) if isinstance(value, str) else value


def as_quantity(text: str) -> u.Quantity | None:
    """Read '0.02 deg' as a quantity; None if the text is something else."""
    if text[:1] not in tuple("+-.0123456789"):
        return None
    try:
        quantity = u.Quantity(text)
    except (TypeError, ValueError):
        return None
    return quantity if quantity.shape == () else None


def digest(key: Hashable) -> str:
    """Give the sha256 of a key, the same in every process and on every machine."""
    text = json.dumps(key, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class FrozenMapping(Mapping[str, Any]):
    """A mapping that keeps its order, cannot be changed, and can be hashed if its values can."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()) -> None:
        self._items: dict[str, Any] = dict(items)

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))  # equal whatever the order, so hashed so

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self._items == dict(other)

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[type[FrozenMapping], tuple[dict[str, Any]]]:
        return type(self), (self._items,)


def freeze(value: Any) -> Any:
    """Make plain data unchangeable: mappings and lists, all the way down."""
    if isinstance(value, Mapping):
        return FrozenMapping({str(name): freeze(item) for name, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    if isinstance(value, u.Quantity):
        texts = [f"{number!r} {value.unit}".rstrip() for number in np.ravel(value.value).tolist()]
        return tuple(texts) if value.shape else texts[0]
    if isinstance(value, (np.generic, np.ndarray)):
        return freeze(value.tolist())
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise FieldError(
        f"holds a {type(value).__name__}",
        "expected plain data: texts, numbers, quantities, lists and mappings",
    )


def thaw(value: Any) -> Any:
    """Give frozen plain data back as dicts and lists, as YAML writes them."""
    if isinstance(value, Mapping):
        return {name: thaw(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    return str(value) if isinstance(value, str) else value  # a Location is a str of its own
