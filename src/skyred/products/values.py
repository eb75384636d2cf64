"""Results that are numbers by name, as gammapy's estimators of parameters give: YAML and table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

if TYPE_CHECKING:
    from astropy.table import Table

QUANTITY = {"value", "unit"}


def write_values(values: Mapping[str, Any], path: Path) -> list[Path]:
    """Write numbers, texts, arrays and quantities by name, mappings of them and lists, as YAML.

    Raises
    ------
    TypeError
        If there is anything else among them, by name.
    """
    from ruamel.yaml import YAML

    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(_plain(values, ()), file)
    return [path]


def read_values(path: Path) -> Any:
    """Read what `write_values` wrote; lists of numbers become arrays."""
    from ruamel.yaml import YAML

    return _rich(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def values_table(values: Mapping[str, Any]) -> Table:
    """Give values as a table.

    If all that have a length have the same one, each is a column, and each row has one of theirs;
    else there is a row for each single number or text: its name, its place, its value and unit.
    """
    from astropy.table import Table

    flat = dict(_flat(values, ()))
    lengths = {len(value) for value in flat.values() if np.ndim(value) == 1}
    if len(lengths) <= 1 and all(np.ndim(value) <= 1 for value in flat.values()):
        rows = next(iter(lengths), 1)
        columns = {
            name: value if np.ndim(value) else _repeated(value, rows)
            for name, value in flat.items()
        }
        return Table(columns)
    return _long_table(flat)


def _long_table(flat: Mapping[str, Any]) -> Table:
    from astropy.table import Table

    rows = [
        (name, " ".join(map(str, place)), str(number), str(getattr(value, "unit", "")))
        for name, value in flat.items()
        for place, number in np.ndenumerate(getattr(value, "value", value))
    ]
    return Table(rows=rows, names=("name", "index", "value", "unit"), dtype=("U",) * 4)


def _repeated(value: Any, rows: int) -> Any:
    if isinstance(value, u.Quantity):
        return np.repeat(value.value, rows) * value.unit
    return [value] * rows


def _flat(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        below = (*path, str(name))
        if isinstance(value, Mapping):
            yield from _flat(value, below)
        else:
            yield ".".join(below), value if isinstance(value, u.Quantity) else _array(value)


def _array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, (list, tuple)) else value


def _plain(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(held, (*path, str(name))) for name, held in value.items()}
    if isinstance(value, u.Quantity):
        return {"value": value.value.tolist(), "unit": value.unit.to_string()}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufUS":
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(held, path) for held in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"{'.'.join(path)} is a {type(value).__name__}; numbers, texts, quantities and lists of "
        "them can be written: wrap the estimator in a skyred.Estimator with a product of its own"
    )


def _rich(value: Any) -> Any:
    if isinstance(value, Mapping):
        if set(value) == QUANTITY and isinstance(value["unit"], str):
            return u.Quantity(value["value"], value["unit"])
        return {name: _rich(held) for name, held in value.items()}
    if isinstance(value, list):
        numbers = all(isinstance(each, (bool, int, float)) for each in value)
        return np.array(value) if value and numbers else [_rich(each) for each in value]
    return value
