"""Groups of runs by a column of the observation table: by its values, or in bins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.components.columns import convert_limits, get_column
from skyred.components.stackers.groupings import Group, find_bin
from skyred.errors import ArchiveError

if TYPE_CHECKING:
    from astropy import units as u
    from astropy.table import Column
    from gammapy.data import ObservationTable

# sorting key and label of the group of a run, or the reason why it is not in any group
Assignment = tuple[float, str] | str


def groups_by_column(
    table: ObservationTable, name: str, edges: u.Quantity | None
) -> dict[str, Assignment]:
    """Return the group of each run, by OBS_ID.

    Parameters
    ----------
    table : gammapy.data.ObservationTable
        The rows of the runs.
    name : str
        The name of the column.
    edges : astropy.units.Quantity or None
        The edges of bins; None for one group per value.

    Returns
    -------
    dict of str to tuple or str
        The sorting key and label of the group of a run, or the reason why it is not in any group.

    Raises
    ------
    ArchiveError
        If the column is missing or has an incompatible unit, or if two of its values have the same
        label.
    """
    column = get_column(table, name, "the stacker 'group'")
    find_group = (
        _create_value_finder(column) if edges is None else _create_bin_finder(column, edges)
    )
    groups = {str(obs_id): find_group(index) for index, obs_id in enumerate(table["OBS_ID"])}
    if edges is None:
        _check_distinct_labels(column, groups.values())
    return groups


def _create_value_finder(column: Column) -> Callable[[int], Assignment]:
    """Create a function that finds the group of a row by the value of the column.

    Parameters
    ----------
    column : astropy.table.Column
        The column.

    Returns
    -------
    callable
        The function of the row index.
    """

    def find_group(index: int) -> Assignment:
        value = column[index]
        if _is_missing(value):
            return f"its {column.name} is unknown"
        if column.dtype.kind in "iufb":
            return attrs.astuple(Group(float(value), f"{column.name}-{value}"))
        return attrs.astuple(Group(0.0, str(value)))

    return find_group


def _create_bin_finder(column: Column, edges: u.Quantity) -> Callable[[int], Assignment]:
    """Create a function that finds the group of a row by bins of the column.

    Parameters
    ----------
    column : astropy.table.Column
        The column.
    edges : astropy.units.Quantity
        The edges of the bins.

    Returns
    -------
    callable
        The function of the row index.
    """
    limits = convert_limits(column, edges, "remove edges")

    def find_group(index: int) -> Assignment:
        value = column[index]
        if _is_missing(value):
            return f"its {column.name} is unknown"
        bin_index = find_bin(float(value), limits)
        if bin_index is None:
            return f"its {column.name}, {value}, is outside the bins ({edges[0]} to {edges[-1]})"
        label = f"{column.name}-{limits[bin_index]:g}-{limits[bin_index + 1]:g}"
        return attrs.astuple(Group(float(bin_index), label))

    return find_group


def _is_missing(value: Any) -> bool:
    """Return whether a value is masked, NaN or empty."""
    if value is np.ma.masked:
        return True
    if isinstance(value, (float, np.floating)):
        return bool(np.isnan(value))
    return not str(value).strip()


def _check_distinct_labels(column: Column, assignments: Iterable[Assignment]) -> None:
    """Raise an error if two values differ only in characters that are not allowed in file names."""
    first_values: dict[str, Any] = {}
    for value, assignment in zip(column, assignments, strict=True):
        if isinstance(assignment, str):
            continue
        _, label = assignment
        first_value = first_values.setdefault(label, value)
        if str(first_value).strip() != str(value).strip():
            raise ArchiveError(
                f"the stacker 'group' would use the same label for {first_value!s:.40} and "
                f"{value!s:.40} of the column {column.name}, {label}; use another column"
            )
