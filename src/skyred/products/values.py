"""Files and tables of named values, such as the results of gammapy's parameter estimators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

if TYPE_CHECKING:
    from astropy.table import Table

QUANTITY_KEYS = {"value", "unit"}


def write_values(values: Mapping[str, Any], path: Path) -> list[Path]:
    """Write named values as YAML: numbers, strings, arrays, quantities, mappings and lists.

    Parameters
    ----------
    values : mapping of str to object
        The values.
    path : Path
        The file.

    Returns
    -------
    list of Path
        The file.

    Raises
    ------
    TypeError
        If a value is of any other type; the message contains its name.
    """
    from ruamel.yaml import YAML

    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(_to_plain(values, ()), file)
    return [path]


def read_values(path: Path) -> Any:
    """Read values written by `write_values`; flat lists of numbers are returned as arrays.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    object
        The values, usually a dict.
    """
    from ruamel.yaml import YAML

    return _from_plain(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def values_table(values: Mapping[str, Any]) -> Table:
    """Return values as a table.

    If all arrays have the same length and one dimension, each name is a column. Otherwise there is
    one row for each element, with its name, index, value and unit.

    Parameters
    ----------
    values : mapping of str to object
        The values.

    Returns
    -------
    Table
        The table.
    """
    from astropy.table import Table

    flat_values = dict(_flatten(values, ()))
    lengths = {len(value) for value in flat_values.values() if np.ndim(value) == 1}
    if len(lengths) <= 1 and all(np.ndim(value) <= 1 for value in flat_values.values()):
        n_rows = next(iter(lengths), 1)
        columns = {
            name: value if np.ndim(value) else _repeat(value, n_rows)
            for name, value in flat_values.items()
        }
        return Table(columns)
    return _long_table(flat_values)


def _long_table(flat_values: Mapping[str, Any]) -> Table:
    from astropy.table import Table

    rows = [
        (name, " ".join(map(str, index)), str(number), str(getattr(value, "unit", "")))
        for name, value in flat_values.items()
        for index, number in np.ndenumerate(getattr(value, "value", value))
    ]
    return Table(rows=rows, names=("name", "index", "value", "unit"), dtype=("U",) * 4)


def _repeat(value: Any, n_rows: int) -> Any:
    if isinstance(value, u.Quantity):
        return np.repeat(value.value, n_rows) * value.unit
    return [value] * n_rows


def _flatten(values: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        nested_keys = (*keys, str(name))
        if isinstance(value, Mapping):
            yield from _flatten(value, nested_keys)
        else:
            yield ".".join(nested_keys), value if isinstance(value, u.Quantity) else _array(value)


def _array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, (list, tuple)) else value


def _to_plain(value: Any, keys: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _to_plain(item, (*keys, str(name))) for name, item in value.items()}
    if isinstance(value, u.Quantity):
        return {"value": value.value.tolist(), "unit": value.unit.to_string()}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufUS":
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_to_plain(item, keys) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"{'.'.join(keys)} has the type {type(value).__name__}; only numbers, strings, quantities, "
        "and arrays, lists and mappings of them can be written: write a skyred.Estimator with its "
        "own product class"
    )


def _from_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == QUANTITY_KEYS and isinstance(value["unit"], str):
            return u.Quantity(value["value"], value["unit"])
        return {name: _from_plain(item) for name, item in value.items()}
    if isinstance(value, list):
        is_numeric = all(isinstance(item, (bool, int, float)) for item in value)
        return np.array(value) if value and is_numeric else [_from_plain(item) for item in value]
    return value
