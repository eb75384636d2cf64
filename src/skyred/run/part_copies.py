"""Checksums and copies of the values of maps, arrays, good time intervals and tables."""

from __future__ import annotations

import pickle
import zlib
from typing import Any

import numpy as np


def checksum_of(part: Any) -> int:
    """Return the checksum of the values of a part of a dataset.

    Parameters
    ----------
    part : gammapy.maps.Map, numpy.ndarray, gammapy.data.GTI, astropy.table.Table or None
        The part.

    Returns
    -------
    int
        The checksum; 0 for None, and for objects without values.
    """
    if (table := _table_of(part)) is not None:
        checksum = zlib.crc32(repr(table.colnames).encode())
        for name in table.colnames:
            column = table[name]
            checksum = zlib.crc32(str(getattr(column, "unit", None)).encode(), checksum)
            checksum = zlib.crc32(_bytes_of(column), checksum)
        return checksum
    if (values := _array_of(part)) is not None:
        return zlib.crc32(np.ascontiguousarray(values).data.cast("B"))
    return 0


def copy_values(part: Any) -> Any:
    """Return a copy of the values of a part of a dataset.

    Parameters
    ----------
    part : gammapy.maps.Map, numpy.ndarray, gammapy.data.GTI, astropy.table.Table or None
        The part.

    Returns
    -------
    numpy.ndarray, Table or None
        The values; None if there are none.
    """
    if (table := _table_of(part)) is not None:
        return table.copy()
    values = _array_of(part)
    return None if values is None else values.copy()


def restore_values(part: Any, values: Any) -> None:
    """Set the values of a part of a dataset.

    Parameters
    ----------
    part : gammapy.maps.Map, numpy.ndarray, gammapy.data.GTI, astropy.table.Table or None
        The part.
    values : numpy.ndarray, Table or None
        The values, from `copy_values`; None to leave the part unchanged.
    """
    if values is None:
        return
    table = _table_of(part)
    if table is None:
        target = part if isinstance(part, np.ndarray) else None
        if target is None:
            part.data = values
        else:
            target[...] = values
    elif table is part:
        part.remove_columns(part.colnames)
        for name in values.colnames:
            part[name] = values[name]
    else:
        part.table = values


def _array_of(part: Any) -> Any:
    """Return the array of a map, or an array itself; None for other objects."""
    if isinstance(part, np.ndarray):
        return part
    data = getattr(part, "data", None)
    return data if isinstance(data, np.ndarray) else None


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
