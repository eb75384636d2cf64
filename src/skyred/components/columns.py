"""Columns of the observation table, and the conversion of limits to their units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.errors import ArchiveError

if TYPE_CHECKING:
    from astropy.table import Column
    from gammapy.data import ObservationTable


def get_column(table: ObservationTable, name: str, requester: str) -> Column:
    """Return a column of the observation table.

    Parameters
    ----------
    table : gammapy.data.ObservationTable
        The observation table.
    name : str
        The name of the column.
    requester : str
        The component that needs the column, for the error message.

    Returns
    -------
    astropy.table.Column
        The column.

    Raises
    ------
    ArchiveError
        If the table has no such column.
    """
    if name not in table.colnames:
        raise ArchiveError(
            f"{requester} needs the column {name!r}, which is missing; "
            f"available: {', '.join(table.colnames)}"
        )
    return table[name]


def convert_limits(column: Column, limits: u.Quantity, hint: str) -> Any:
    """Convert limits to the unit of a numeric column.

    Parameters
    ----------
    column : astropy.table.Column
        The column.
    limits : astropy.units.Quantity
        One or more limits.
    hint : str
        The advice at the end of the error message if the column is not numeric.

    Returns
    -------
    numpy.ndarray
        The limits in the unit of the column, in the shape of `limits`.

    Raises
    ------
    ArchiveError
        If the column is not numeric, or its unit is not compatible with the limits.
    """
    if column.dtype.kind not in "iuf":
        content = "strings" if column.dtype.kind in "SU" else column.dtype
        raise ArchiveError(f"the column {column.name} contains {content}, not numbers; {hint}")
    unit = u.Unit(column.unit or "")
    if limits.unit == u.dimensionless_unscaled and unit != limits.unit:
        raise ArchiveError(f"the column {column.name} is in {unit}: add a unit to {limits}")
    try:
        return np.asarray(limits.to_value(unit))
    except u.UnitConversionError:
        raise ArchiveError(
            f"the column {column.name} {f'is in {unit}' if str(unit) else 'has no unit'}, "
            f"and cannot be compared with {limits}"
        ) from None
