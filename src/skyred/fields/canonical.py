"""Canonical keys of values, for comparison and digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
from astropy import units as u

from skyred.errors import FieldError

# significant digits (a double has 15 to 16): more precise than any measurement, and not affected by
# the rounding of unit conversions
DIGITS = 12


def number_key(value: float) -> str:
    """Return the key of a number, rounded to 12 significant digits.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    str
        The key, which is the same for 2 and 2.0.
    """
    digits = f"{float(value):.{DIGITS}g}"
    return "0" if digits == "-0" else digits


def quantity_key(quantity: u.Quantity) -> Hashable:
    """Return the key of a quantity.

    Parameters
    ----------
    quantity : Quantity
        The quantity, of any shape.

    Returns
    -------
    tuple
        Numbers and unit in SI, so that 0.02 deg and 1.2 arcmin have the same key.
    """
    # `.si` searches for a short name of the unit and takes 400 times longer
    base = quantity.decompose()
    numbers = tuple(number_key(value) for value in np.ravel(base.value))
    return ("quantity", numbers, base.unit.to_string())


def plain_key(value: Any) -> Hashable:
    """Return the key of plain YAML data.

    Parameters
    ----------
    value : object
        Mappings, lists, strings, numbers, booleans and None; strings such as '0.02 deg' count as
        quantities.

    Returns
    -------
    object
        The key.
    """
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
    """Return the key of numbers, strings and tuples of them, without parsing strings.

    Parameters
    ----------
    value : object
        A number, a string, a boolean, or a tuple of them.

    Returns
    -------
    object
        The key.
    """
    if isinstance(value, tuple):
        return tuple(exact_key(item) for item in value)
    if isinstance(value, float):
        return number_key(value)
    return str(value) if isinstance(value, str) else value


def as_quantity(string: str) -> u.Quantity | None:
    """Parse a string such as '0.02 deg' as a quantity.

    Parameters
    ----------
    string : str
        The string.

    Returns
    -------
    Quantity or None
        The scalar quantity; None if the string is something else.
    """
    if string[:1] not in tuple("+-.0123456789"):
        return None
    try:
        quantity = u.Quantity(string)
    except (TypeError, ValueError):
        return None
    return quantity if quantity.shape == () else None


def digest(key: Hashable) -> str:
    """Return the sha256 of a key.

    Parameters
    ----------
    key : object
        The key, of tuples, strings, numbers, booleans and None.

    Returns
    -------
    str
        The digest in hexadecimal, which is the same in every process and on every machine.
    """
    serialised = json.dumps(key, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(serialised.encode()).hexdigest()


class FrozenMapping(Mapping[str, Any]):
    """An immutable, ordered mapping that can be hashed if its values can.

    Parameters
    ----------
    items : mapping of str to object, or tuple of (str, object)
        The items.
    """

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
        return hash(frozenset(self._items.items()))  # equality ignores the order

    def __eq__(self, mapping: object) -> bool:
        if not isinstance(mapping, Mapping):
            return NotImplemented
        return self._items == dict(mapping)

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[type[FrozenMapping], tuple[dict[str, Any]]]:
        return type(self), (self._items,)


def freeze(value: Any) -> Any:
    """Convert plain data to immutable objects.

    Parameters
    ----------
    value : object
        Mappings, lists, arrays, quantities, strings, numbers, booleans and None, nested.

    Returns
    -------
    object
        The data, with `FrozenMapping` for mappings, tuples for lists, and strings for quantities.

    Raises
    ------
    FieldError
        If the data contain other objects.
    """
    if isinstance(value, Mapping):
        return FrozenMapping({str(name): freeze(item) for name, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    if isinstance(value, u.Quantity):
        strings = [f"{number!r} {value.unit}".rstrip() for number in np.ravel(value.value).tolist()]
        return tuple(strings) if value.shape else strings[0]
    if isinstance(value, (np.generic, np.ndarray)):
        return freeze(value.tolist())
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise FieldError(
        f"contains a value of type {type(value).__name__}",
        "expected plain data: strings, numbers, quantities, lists and mappings",
    )


def thaw(value: Any) -> Any:
    """Convert immutable plain data to dicts and lists.

    Parameters
    ----------
    value : object
        Data as returned by `freeze`.

    Returns
    -------
    object
        The data as they are written to YAML.
    """
    if isinstance(value, Mapping):
        return {name: thaw(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    return str(value) if isinstance(value, str) else value  # a Location is a subclass of str
