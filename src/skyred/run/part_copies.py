"""Checksums and copies of maps, arrays, good time intervals, tables and settings."""

from __future__ import annotations

import pickle
import zlib
from typing import Any

import numpy as np


def checksum_of(part: Any) -> int:
    """Return the checksum of the values, the unit and the geometry of a part of a dataset.

    Parameters
    ----------
    part : object
        A map, an array, a table, good time intervals, a model, a number, text or None.

    Returns
    -------
    int
        The checksum; 0 for None. Other objects, such as functions, only equal themselves.
    """
    if part is None:
        return 0
    if (table := _table_of(part)) is not None:
        return _checksum_table(table)
    if (arrays := _arrays_of(part)) is not None:
        checksum = zlib.crc32(f"{getattr(part, 'unit', None)} {id(_geom_of(part))}".encode())
        for array in arrays:
            checksum = zlib.crc32(_buffer_of(array), checksum)
        return checksum
    if hasattr(part, "parameters"):
        return zlib.crc32(part.parameters.value.tobytes(), id(part) & 0xFFFFFFFF)
    is_plain = isinstance(part, str | float | int | tuple)
    return zlib.crc32(repr(part).encode()) if is_plain else id(part)


def copy_values(part: Any) -> Any:
    """Return a copy of everything in a part of a dataset that `checksum_of` reads.

    Parameters
    ----------
    part : object
        The part.

    Returns
    -------
    object
        The values; None if there are none.
    """
    if (table := _table_of(part)) is not None:
        return table.copy()
    if (arrays := _arrays_of(part)) is not None:
        return dict(getattr(part, "__dict__", {})), [array.copy() for array in arrays]
    return part.parameters.value if hasattr(part, "parameters") else None


def restore_values(part: Any, values: Any) -> None:
    """Set the values of a part of a dataset.

    Parameters
    ----------
    part : object
        The part.
    values : object
        The values, from `copy_values`; None to leave the part unchanged.
    """
    if values is None:
        return
    table = _table_of(part)
    if table is None:
        _restore_arrays(part, values)
    elif table is part:
        part.remove_columns(part.colnames)
        for name in values.colnames:
            part[name] = values[name]
    else:
        part.table = values


def _restore_arrays(part: Any, values: Any) -> None:
    if isinstance(values, np.ndarray):
        part.parameters.value = values
        return
    attributes, copies = values
    getattr(part, "__dict__", {}).update(attributes)
    for array, copy in zip(_arrays_of(part) or (), copies, strict=True):
        array[...] = copy


def _checksum_table(table: Any) -> int:
    checksum = zlib.crc32(repr(table.colnames).encode())
    for name in table.colnames:
        column = table[name]
        checksum = zlib.crc32(str(getattr(column, "unit", None)).encode(), checksum)
        checksum = zlib.crc32(_bytes_of(column), checksum)
        if (mask := getattr(column, "mask", None)) is not None:
            checksum = zlib.crc32(np.asarray(mask).tobytes(), checksum)
    return checksum


def _arrays_of(part: Any) -> list[Any] | None:
    """Return an array itself, or the arrays of a map and its geometry; None for other objects."""
    if isinstance(part, np.ndarray):
        return [part.view(np.ndarray)]
    data, geom = getattr(part, "data", None), _geom_of(part)
    if not isinstance(data, np.ndarray):
        return None
    arrays = [data, *(axis._nodes for axis in getattr(geom, "axes", ()) if hasattr(axis, "_nodes"))]
    if (wcs := getattr(geom, "wcs", None)) is not None:
        scale = wcs.wcs.cd if wcs.wcs.has_cd() else wcs.wcs.cdelt
        arrays += [wcs.wcs.crval, wcs.wcs.crpix, scale]
    return arrays


def _buffer_of(array: Any) -> Any:
    try:
        return np.ascontiguousarray(array).data.cast("B")
    except (TypeError, ValueError):  # times and objects
        return array.tobytes()


def _geom_of(part: Any) -> Any:
    return getattr(part, "geom", None)


def _table_of(part: Any) -> Any:
    """Return the table of good time intervals, or a table itself; None for other objects."""
    if hasattr(part, "colnames"):
        return part
    table = getattr(part, "table", None)
    return table if hasattr(table, "colnames") else None


def _bytes_of(column: Any) -> bytes:
    try:
        values = np.asarray(column)
    except (TypeError, ValueError):
        values = np.array(None, dtype=object)
    if values.dtype.kind == "O" or hasattr(column, "isot"):
        return pickle.dumps(column.isot if hasattr(column, "isot") else list(column))
    return values.tobytes()
