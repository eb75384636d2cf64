"""The states of the parts of an observation, to find out whether a component has changed them."""

from __future__ import annotations

from typing import Any, Protocol

import attrs
import numpy as np

from skyred.run.worker.irf_state import IrfState, compute_checksum, copy_container, is_same


class PartState(Protocol):
    """The state of a part of an observation."""

    def find_change(self) -> str:
        """Return what has changed; "" if nothing has."""


def protect(part: Any) -> PartState:
    """Make the large arrays of a part of an observation read-only, and return its state.

    Parameters
    ----------
    part : object
        An IRF, events, good time intervals, a pointing, or metadata.

    Returns
    -------
    PartState
        The state.
    """
    if hasattr(part, "interp_kwargs") or hasattr(part, "geom"):
        return IrfState.read(part)
    if hasattr(part, "radec") and hasattr(part, "table"):
        return EventsState.read(part)
    if hasattr(part, "time_start") and hasattr(part, "table"):
        return GoodTimeState.read(part)
    return FieldsState.read(part)


@attrs.frozen(eq=False)
class EventsState:
    """The state of events: their table and its columns, which are read-only.

    Parameters
    ----------
    events : gammapy.data.EventList
        The events.
    table : astropy.table.Table
        Their table.
    columns : dict of str to object
        The columns by name.
    units : dict of str to object
        The units of the columns; None for a column without a unit.
    meta : dict of str to object
        A copy of the metadata of the table.
    """

    events: Any
    table: Any
    columns: dict[str, Any]
    units: dict[str, Any]
    meta: dict[str, Any]

    @classmethod
    def read(cls, events: Any) -> EventsState:
        """Make the columns of events read-only, and return their state.

        Parameters
        ----------
        events : gammapy.data.EventList
            The events.

        Returns
        -------
        EventsState
            The state.
        """
        table = events.table
        columns = dict(table.columns)
        for column in columns.values():
            if hasattr(column, "flags"):
                column.flags.writeable = False
        units = {name: getattr(column, "unit", None) for name, column in columns.items()}
        return cls(events, table, columns, units, copy_container(table.meta))

    def find_change(self) -> str:
        """Return what has changed.

        Returns
        -------
        str
            The name of a column, "table" or "metadata"; "" if nothing has changed.
        """
        if self.events.table is not self.table:
            return "table"
        columns = dict(self.table.columns)
        for name in {**self.columns, **columns}:
            column = columns.get(name)
            is_kept = column is not None and column is self.columns.get(name)
            is_writable = isinstance(column, np.ndarray) and column.flags.writeable
            if not is_kept or is_writable:
                return f"column {name}"
            unit, old_unit = getattr(column, "unit", None), self.units[name]
            if unit is not old_unit and unit != old_unit:
                return f"unit of the column {name}"
        return "" if is_same(self.meta, self.table.meta) else "metadata"


@attrs.frozen(eq=False)
class GoodTimeState:
    """The state of good time intervals: their table, its times, and checksums of the times.

    Parameters
    ----------
    gti : gammapy.data.GTI
        The good time intervals.
    table : astropy.table.Table
        Their table.
    columns : dict of str to object
        The columns by name.
    arrays : list of tuple of numpy.ndarray and int
        The two parts of each time, with their checksums.
    """

    gti: Any
    table: Any
    columns: dict[str, Any]
    arrays: list[tuple[Any, int]]

    @classmethod
    def read(cls, gti: Any) -> GoodTimeState:
        """Return the state of good time intervals.

        Parameters
        ----------
        gti : gammapy.data.GTI
            The good time intervals.

        Returns
        -------
        GoodTimeState
            The state.
        """
        columns = dict(gti.table.columns)
        arrays = [array for column in columns.values() for array in _list_time_arrays(column)]
        return cls(gti, gti.table, columns, [(array, compute_checksum(array)) for array in arrays])

    def find_change(self) -> str:
        """Return what has changed.

        Returns
        -------
        str
            "table" or "times"; "" if nothing has changed.
        """
        if self.gti.table is not self.table:
            return "table"
        columns = self.table.columns
        for name, column in self.columns.items():
            if columns.get(name) is not column:
                return "times"
        is_changed = any(compute_checksum(array) != checksum for array, checksum in self.arrays)
        return "times" if is_changed else ""


@attrs.frozen(eq=False)
class FieldsState:
    """The state of an object with plain attributes, such as a pointing or metadata.

    Parameters
    ----------
    part : object
        The object.
    fields : dict of str to object
        Its attributes; dictionaries and lists are copied.
    """

    part: Any
    fields: dict[str, Any]

    @classmethod
    def read(cls, part: Any) -> FieldsState:
        """Return the state of an object.

        Parameters
        ----------
        part : object
            The object.

        Returns
        -------
        FieldsState
            The state.
        """
        fields = getattr(part, "__dict__", {})
        return cls(part, {name: copy_container(value) for name, value in fields.items()})

    def find_change(self) -> str:
        """Return the first attribute that has changed; new attributes are ignored.

        Returns
        -------
        str
            Its name; "" if nothing has changed.
        """
        fields = getattr(self.part, "__dict__", {})
        for name, value in self.fields.items():
            if not is_same(value, fields.get(name)):
                return name.lstrip("_").replace("_", " ")
        return ""


def _list_time_arrays(column: Any) -> list[Any]:
    """Return the arrays of a column of times, which its properties would copy."""
    time = getattr(column, "_time", None)
    arrays = [getattr(time, name, None) for name in ("jd1", "jd2")]
    return [array for array in arrays if isinstance(array, np.ndarray)]
