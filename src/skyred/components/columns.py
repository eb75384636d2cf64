"""Columns of the observation table, compared with what a configuration says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.errors import ArchiveError

if TYPE_CHECKING:
    from astropy.table import Column
    from gammapy.data import ObservationTable


def column_of(table: ObservationTable, name: str, asking: str) -> Column:
    """Give a column.

    Raises
    ------
    ArchiveError
        If there is none of that name; `asking` says who asks for it.
    """
    if name not in table.colnames:
        raise ArchiveError(
            f"{asking} finds no column {name!r}; there are {', '.join(table.colnames)}"
        )
    return table[name]


def limits_in(column: Column, limits: u.Quantity, instead: str) -> Any:
    """Give limits as numbers in the unit of a column of numbers.

    Raises
    ------
    ArchiveError
        If they cannot be compared; `instead` says what to do if the column holds no numbers.
    """
    if column.dtype.kind not in "iuf":
        held = "text" if column.dtype.kind in "SU" else column.dtype
        raise ArchiveError(f"the column {column.name} holds {held}, not numbers: {instead}")
    unit = u.Unit(column.unit or "")
    if limits.unit == u.dimensionless_unscaled and unit != limits.unit:
        raise ArchiveError(f"the column {column.name} is in {unit}: give {limits} with a unit")
    try:
        return np.asarray(limits.to_value(unit))
    except u.UnitConversionError:
        raise ArchiveError(
            f"the column {column.name} is in {str(unit) or 'no unit'}, not comparable with {limits}"
        ) from None
