"""The selector `time-window`: runs are cut to time windows, or whole runs are selected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.intervals import Interval, interval_problems
from skyred.errors import ArchiveError, ExportError, Problem
from skyred.fields import Instant, instant, nested_list, option, quantity
from skyred.interfaces import Chain, Selector, component
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.time import Time
    from gammapy.data import GTI, ObservationTable
    from numpy.typing import NDArray

    from skyred.scripting import Script

    Mask = NDArray[np.bool_]
    Window = tuple[Time | None, Time | None]

# some index tables have times rounded to float32: the error is up to 16 s at 4e8 s
INDEX_TOLERANCE = 32 * u.s
EDGE_TOLERANCE = 1e-6  # s, as in light curves
# before and after all runs, for exported scripts
UNLIMITED = (Instant("1990-01-01", "tt"), Instant("2100-01-01", "tt"))


@component
class TimeWindow(Selector):
    """Times within one or more windows: runs are cut to them, or whole runs are selected."""

    kind = "time-window"
    start: Instant | None = instant(None, doc="Start of the window; unlimited by default.")
    stop: Instant | None = instant(None, doc="End of the window; unlimited by default.")
    windows: tuple[Interval, ...] = nested_list(
        Interval,
        doc="Several windows, instead of start and stop. Each run that is cut gives one dataset "
        "per window.",
    )
    width: u.Quantity | None = quantity(
        None,
        unit="min",
        min="1 s",
        doc="Width of the parts into which each window is divided, beginning at its start. Each "
        "run gives one dataset per part.",
    )
    cut: bool = option(
        True,
        doc="Whether the events and good time intervals of a run are cut to the windows; if false, "
        "whole runs within a window are selected.",
    )
    partial: bool = option(
        False,
        doc="Whether whole runs that partly overlap a window are selected too, with cut: false.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that a window is set, that windows are in order, and that options are compatible.

        Yields
        ------
        Problem
            A missing, reversed or overlapping window, or options that cannot be combined.
        """
        limits = (self.start, self.stop)
        if self.windows and any(limits):
            yield Problem(
                ("windows",), "cannot be combined with start and stop", "remove start and stop"
            )
        elif not self.windows and not any(limits):
            yield Problem(("start",), "neither start nor stop is set", "expected at least one")
        elif self.start and self.stop and not self.start.is_before(self.stop):
            yield Problem(
                ("start",), f"{self.start} is not before {self.stop}", "expected start before stop"
            )
        yield from interval_problems("windows", self.windows)
        if self.partial and self.cut:
            yield Problem(
                ("partial",), "has no effect if runs are cut", "set cut: false, or remove it"
            )
        if self.width is not None and not self.cut:
            yield Problem(("width",), "has no effect with cut: false", "remove one of the two")
        elif self.width is not None and self.start is None and not self.windows:
            yield Problem(("width",), "requires start", "set start to the start of the first part")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check the order of windows in different time scales.

        Parameters
        ----------
        pipeline : Chain
            The pipeline.

        Yields
        ------
        Problem
            A window that does not start before it stops, or overlaps with the previous one.
        """
        previous_stop = None
        for index, (start, stop) in enumerate(self._iter_windows()):
            path = ("windows", index) if self.windows else ("start",)
            if start is not None and stop is not None and start >= stop:
                yield Problem(path, "does not start before it stops", "expected start before stop")
            # times of different scales are converted, with rounding errors
            if (
                previous_stop is not None
                and start is not None
                and (previous_stop - start).to_value("s") > EDGE_TOLERANCE
            ):
                yield Problem(
                    path,
                    "starts before the end of the previous window",
                    "expected windows without overlap",
                )
            previous_stop = stop

    def select(self, table: ObservationTable) -> ObservationTable:
        """Select the runs that overlap with a window, or with ``cut: false`` lie within a window.

        Parameters
        ----------
        table : gammapy.data.ObservationTable
            The observations to select from.

        Returns
        -------
        gammapy.data.ObservationTable
            The selected rows, unchanged. Rows without times are kept if runs are cut, since their
            good time intervals are cut later.

        Raises
        ------
        ArchiveError
            If whole runs are selected, and the table has no times.
        """
        try:
            reference = table.time_ref
            columns = [table[name] for name in ("TSTART", "TSTOP")]
        except KeyError as error:
            if self.cut:
                return table
            raise ArchiveError(
                "the selector 'time-window' needs the times of the runs, but the observation table "
                f"has no {error}; set cut: true, which uses their good time intervals"
            ) from None
        start, stop = (_to_seconds(column) for column in columns)
        mask = np.zeros(len(table), dtype=bool)
        for window in self._iter_windows():
            mask |= self._select_rows(start, stop, _limits(window, reference))
        if self.cut:
            mask |= ~(np.isfinite(start) & np.isfinite(stop))
        return table[mask]

    def _select_rows(
        self, start: NDArray[np.float64], stop: NDArray[np.float64], limits: tuple[float, float]
    ) -> Mask:
        """Return the mask of the runs in a window, shape (n,), from times in seconds."""
        low, high = limits
        if self.cut:
            tolerance = INDEX_TOLERANCE.to_value("s")
            return np.asarray((stop > low - tolerance) & (start <= high + tolerance))
        first, last = (stop, start) if self.partial else (start, stop)
        return np.asarray((first >= low) & (last <= high))

    def cut_gti(self, gti: GTI) -> Sequence[GTI]:
        """Cut good time intervals to the windows, as gammapy's `GTI.select_time` does.

        Parameters
        ----------
        gti : gammapy.data.GTI
            The good time intervals of a run, or of a part of it.

        Returns
        -------
        sequence of gammapy.data.GTI
            The good time in each window or part of a window, in chronological order; windows
            without good time are left out. The unchanged `gti` if runs are not cut.
        """
        if not self.cut:
            return (gti,)
        parts = [_select_time(gti, *limits) for limits in self._iter_parts(gti)]
        return [part for part in parts if len(part.table)]

    def _iter_windows(self) -> Iterator[Window]:
        """Yield the start and stop of each window; None where it is unlimited."""
        for start, stop in self._instants():
            yield start and start.time, stop and stop.time

    def _iter_parts(self, gti: GTI) -> Iterator[tuple[Time, Time]]:
        """Yield the start and stop of each window, or of its parts that overlap with good time."""
        first, last = gti.time_start.min(), gti.time_stop.max()
        for window_start, window_stop in self._iter_windows():
            start = first if window_start is None else window_start
            stop = last if window_stop is None else window_stop
            if self.width is None:
                yield start, stop
            elif start < last and stop > first:
                yield from self._divide(start, stop, (first, last))

    def _divide(self, start: Time, stop: Time, good_time: tuple[Time, Time]) -> Iterator[Any]:
        """Yield the parts of a window that overlap with good time."""
        assert self.width is not None
        width = self.width.to_value("s")
        begin, end, window_end = (
            float((time - start).to_value("s")) for time in (*good_time, stop)
        )
        first = max(0, int(np.floor((begin + EDGE_TOLERANCE) / width)))
        last = int(np.ceil((min(end, window_end) - EDGE_TOLERANCE) / width))
        for index in range(first, last):
            low, high = (start + edge * width * u.s for edge in (index, index + 1))
            yield low, min(high, stop)

    def write_script(self, script: Script) -> None:
        """Write code that cuts the runs to the window, or selects whole runs.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If runs are divided into parts, by several windows or by `width`.
        """
        if self.cut and (len(self.windows) > 1 or self.width is not None):
            raise ExportError(
                "divides runs into parts; only one window without width can be exported"
            )
        script.use("numpy as np")
        script.use("astropy", "units as u")
        limits = [
            tuple(
                script.time(unlimited if limit is None else limit)
                for limit, unlimited in zip(window, UNLIMITED, strict=True)
            )
            for window in self._instants()
        ]
        windows = ", ".join(f"Time([{start}, {stop}])" for start, stop in limits)
        constant = script.constant(f"{script.entry}_TIMES", f"[{windows}]")
        if self.cut:
            script.cuts += limits
            script.body.add(f"table = {_write_overlap(script)}(table, {constant})")
        else:
            function = _write_whole(script, partial=self.partial)
            script.body.add(f"table = {function}(table, {constant})")

    def _instants(self) -> list[tuple[Instant | None, Instant | None]]:
        """Return the start and stop of each window; None where it is unlimited."""
        if self.windows:
            return [(window.start, window.stop) for window in self.windows]
        return [(self.start, self.stop)]


def _write_index_times(script: Script) -> str:
    """Write the function that reads the times of runs from an index, and return its name."""
    return script.shared(
        "get_index_times(table)",
        "Return the starts and stops of runs in seconds; NaN where they are masked.",
        'columns = [u.Quantity(table[name], "s").value for name in ("TSTART", "TSTOP")]',
        "return [np.ma.filled(np.ma.asarray(column, float), np.nan) for column in columns]",
    )


def _write_overlap(script: Script) -> str:
    """Write the function that selects runs to be cut, and return its name."""
    index_times = _write_index_times(script)
    tolerance = literal(INDEX_TOLERANCE.to_value("s"))
    return script.shared(
        "select_overlapping_runs(table, windows)",
        "Select the runs that may overlap with a window, and those without times in the index.",
        'if not {"TSTART", "TSTOP"} <= set(table.colnames) or "MJDREFI" not in table.meta:',
        "    return table",
        f"start, stop = {index_times}(table)",
        "selected = ~(np.isfinite(start) & np.isfinite(stop))",
        "for window in windows:",
        '    low, high = (window - table.time_ref).to_value("s")',
        "    # the times of an index may be rounded to float32",
        f"    selected |= (stop > low - {tolerance}) & (start <= high + {tolerance})",
        "return table[selected]",
    )


def _write_whole(script: Script, *, partial: bool) -> str:
    """Write the function that selects whole runs, and return its name."""
    name, doc, first, last = (
        ("select_runs_partly_within", "in part", "stop", "start")
        if partial
        else ("select_runs_within", "completely", "start", "stop")
    )
    index_times = _write_index_times(script)
    return script.shared(
        f"{name}(table, windows)",
        f"Select the runs that lie {doc} within a window.",
        f"start, stop = {index_times}(table)",
        "selected = np.zeros(len(table), dtype=bool)",
        "for window in windows:",
        '    low, high = (window - table.time_ref).to_value("s")',
        f"    selected |= ({first} >= low) & ({last} <= high)",
        "return table[selected]",
    )


def _to_seconds(column: Any) -> NDArray[np.float64]:
    """Return a column of times in seconds, as gammapy reads it, with NaN for masked values."""
    seconds = u.Quantity(column, "s").value  # ignores the mask
    return np.where(np.ma.getmaskarray(column), np.nan, seconds)


def _limits(window: Window, reference: Time) -> tuple[float, float]:
    """Return the limits of a window in seconds since a reference."""
    low, high = window
    return (
        -np.inf if low is None else float((low - reference).to_value("s")),
        np.inf if high is None else float((high - reference).to_value("s")),
    )


def _select_time(gti: GTI, start: Time, stop: Time) -> GTI:
    """Return the good time between two times, without intervals of zero length."""
    selected = gti.select_time((start.copy(), stop.copy()))
    if len(selected.table) == 0:
        return selected
    length = (selected.time_stop - selected.time_start).to_value("s")
    selected.table = selected.table[length > EDGE_TOLERANCE]
    return selected
