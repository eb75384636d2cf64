"""The selectors: by position, id, time and any column of the observation table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.columns import column_of, limits_in
from skyred.errors import ArchiveError, Problem
from skyred.fields import Instant, Position, instant, option, position, quantity
from skyred.interfaces import Selector, component
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Column
    from gammapy.data import ObservationTable

    from skyred.scripting import Script


@component
class Cone(Selector):
    """Runs that point to within a radius of a position."""

    kind = "cone"
    center: Position = position(doc="Centre of the cone.")
    radius: u.Quantity = quantity("5 deg", min="0 deg", doc="Largest offset of the pointing.")

    def select(self, table: ObservationTable) -> ObservationTable:
        """Keep the runs whose pointing (RA_PNT, DEC_PNT) lies within the radius."""
        separation = table.pointing_radec.separation(self.center.skycoord)
        return table[np.asarray(separation <= self.radius)]

    def write_script(self, script: Script) -> None:
        """Compare the separation of the pointing."""
        center, radius = script.position("CENTER", self.center), script.quantity(self.radius)
        script.body.add(f"table = table[table.pointing_radec.separation({center}) <= {radius}]")


@component
class ObservationIds(Selector):
    """Runs by their OBS_ID."""

    kind = "observation-ids"
    ids: tuple[int, ...] = option(type=int, many=True, doc="The runs to keep.")

    def validate(self) -> Iterable[Problem]:
        """Some runs must be asked for."""
        if not self.ids:
            yield Problem(("ids",), "is empty", "expected at least one OBS_ID")

    def select(self, table: ObservationTable) -> ObservationTable:
        """Keep these runs.

        Raises
        ------
        ArchiveError
            If one of them is not in the table (the archive, or what earlier selectors left).
        """
        missing = sorted(set(self.ids) - set(table["OBS_ID"].tolist()))
        if missing:
            raise ArchiveError(
                f"the selector 'observation-ids' asks for runs that are not there: {missing}; "
                "correct ids, or the selectors before it"
            )
        return table[np.isin(table["OBS_ID"], self.ids)]

    def write_script(self, script: Script) -> None:
        """Pick the rows."""
        script.use("numpy as np")
        runs = script.constant(f"{script.entry}_RUNS", literal(self.ids))
        script.body.add(f'table = table[np.isin(table["OBS_ID"], {runs})]')


@component
class TimeWindow(Selector):
    """Runs that lie in a window of time."""

    kind = "time-window"
    start: Instant | None = instant(None, doc="Start of the window; open if left out.")
    stop: Instant | None = instant(None, doc="End of the window; open if left out.")
    partial: bool = option(False, doc="Whether runs that overlap the window in part are kept too.")

    def validate(self) -> Iterable[Problem]:
        """The window must be one."""
        if self.start is None and self.stop is None:
            yield Problem(("start",), "neither start nor stop is given", "expected at least one")
        elif self.start and self.stop and not self.start.before(self.stop):
            yield Problem(("start",), f"{self.start} is not before {self.stop}", "swap them")

    def select(self, table: ObservationTable) -> ObservationTable:
        """Keep the runs whose TSTART and TSTOP lie in the window."""
        begin, end = table.time_start, table.time_stop
        first, last = (end, begin) if self.partial else (begin, end)
        keep = np.ones(len(table), dtype=bool)
        if self.start is not None:
            keep &= np.asarray(first >= self.start.time)
        if self.stop is not None:
            keep &= np.asarray(last <= self.stop.time)
        return table[keep]

    def write_script(self, script: Script) -> None:
        """Compare starts and stops."""
        script.use("astropy.time", "Time")
        first, last = ("stop", "start") if self.partial else ("start", "stop")
        for moment, sign, end in ((self.start, ">=", first), (self.stop, "<=", last)):
            if moment is not None:
                time = f"Time({literal(moment.iso)}, scale={literal(moment.scale)})"
                script.body.add(f"table = table[table.time_{end} {sign} {time}]")


@component
class ColumnRange(Selector):
    """Runs by any column of the observation table: a range of numbers, or some values."""

    kind = "column-range"
    column: str = option(type=str, doc="Name of the column, such as ZEN_PNT or TARGET_NAME.")
    min: u.Quantity | None = quantity(None, unit="any", doc="Smallest value ('10 deg', 4).")
    max: u.Quantity | None = quantity(None, unit="any", doc="Largest value ('50 deg', 4).")
    values: tuple[str, ...] = option(
        (), type=object, many=True, doc="Values that are kept: texts or numbers."
    )
    invert: bool = option(False, doc="Whether to keep the runs outside instead.")

    def validate(self) -> Iterable[Problem]:
        """Either a range or values, and the range the right way round."""
        if bool(self.values) == (self.min is not None or self.max is not None):
            yield Problem((), "needs either min or max, or values", "give one of the two")
        low, high = self.min, self.max
        if low is not None and high is not None:
            if not low.unit.is_equivalent(high.unit):
                yield Problem(("min",), f"{low} and {high} differ in unit", "use one unit for both")
            elif low > high:
                yield Problem(("min",), f"{low} is above the max, {high}", "swap them")

    def select(self, table: ObservationTable) -> ObservationTable:
        """Keep the rows in the range (both ends included), or with one of the values.

        Raises
        ------
        ArchiveError
            If the table has no such column, or the range does not fit its unit.
        """
        keep = self._keep(column_of(table, self.column, "the selector 'column-range'"))
        return table[~keep if self.invert else keep]

    def _keep(self, column: Column) -> np.ndarray[Any, np.dtype[np.bool_]]:
        if self.values:
            return np.isin([str(value).strip() for value in column], self.values)
        keep = np.ones(len(column), dtype=bool)
        for limit, sign in ((self.min, 1), (self.max, -1)):
            if limit is not None:
                bound = limits_in(column, limit, "select by values")
                keep &= sign * (np.asarray(column, dtype=float) - bound) >= 0
        return keep

    def write_script(self, script: Script) -> None:
        """Compare the column."""
        column = f"table[{literal(self.column)}]"
        if self.values:
            script.use("numpy as np")
            held = f"[str(value).strip() for value in {column}]"
            script.body.add(f"keep = np.isin({held}, {literal(self.values)})")
        else:
            limits = ((self.min, ">="), (self.max, "<="))
            compared = [
                f"{column}{'.quantity' if str(limit.unit) else ''} {sign} {script.quantity(limit)}"
                for limit, sign in limits
                if limit is not None
            ]
            both = " & ".join(f"({each})" for each in compared)
            script.body.add(f"keep = {both if len(compared) > 1 else compared[0]}")
        script.body.add(f"table = table[{'~' if self.invert else ''}keep]")
