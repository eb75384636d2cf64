"""Groups of runs by a column of the observation table: by its values, or in bins of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.components.columns import column_of, limits_in
from skyred.components.stackers.groupings import Group, bin_of
from skyred.errors import ArchiveError

if TYPE_CHECKING:
    from astropy import units as u
    from astropy.table import Column
    from gammapy.data import ObservationTable

Found = tuple[float, str] | str


def groups_by_column(
    table: ObservationTable, name: str, edges: u.Quantity | None
) -> dict[str, Found]:
    """Give order and label of each run's group, by OBS_ID; or the reason why it is in none.

    Raises
    ------
    ArchiveError
        If there is no such column, edges do not fit it, or two values would have one label.
    """
    column = column_of(table, name, "the stacker 'group'")
    find = _by_value(column) if edges is None else _by_bin(column, edges)
    groups = {str(obs_id): find(index) for index, obs_id in enumerate(table["OBS_ID"])}
    if edges is None:
        _refuse_one_label(column, groups.values())
    return groups


def _by_value(column: Column) -> Callable[[int], Found]:
    def find(index: int) -> Found:
        value = column[index]
        if _unknown(value):
            return f"its {column.name} is not known"
        if column.dtype.kind in "iufb":
            return attrs.astuple(Group(float(value), f"{column.name}-{value}"))
        return attrs.astuple(Group(0.0, str(value)))

    return find


def _by_bin(column: Column, edges: u.Quantity) -> Callable[[int], Found]:
    limits = limits_in(column, edges, "group by it without edges")

    def find(index: int) -> Found:
        value = column[index]
        here = None if _unknown(value) else bin_of(float(value), limits)
        if here is None:
            return f"its {column.name}, {value}, is in no bin ({edges[0]} to {edges[-1]})"
        label = f"{column.name}-{limits[here]:g}-{limits[here + 1]:g}"
        return attrs.astuple(Group(float(here), label))

    return find


def _unknown(value: Any) -> bool:
    if value is np.ma.masked:
        return True
    if isinstance(value, (float, np.floating)):
        return bool(np.isnan(value))
    return not str(value).strip()


def _refuse_one_label(column: Column, groups: Any) -> None:
    """Refuse values that differ only in characters that no file's name can have."""
    first: dict[str, Any] = {}
    for value, found in zip(column, groups, strict=True):
        if isinstance(found, str):
            continue
        if str(other := first.setdefault(found[1], value)).strip() != str(value).strip():
            raise ArchiveError(
                f"the stacker 'group' would call {other!s:.40} and {value!s:.40} of the column "
                f"{column.name} alike: {found[1]}; group by another column"
            )
