"""Selectors with one defect each."""

from __future__ import annotations

from typing import Any

import numpy as np

from skyred import Selector, component


@component
class EverySecond(Selector):
    """Select every second run: a valid selector."""

    kind = "planted-every-second"

    def select(self, table: Any) -> Any:
        return table[::2]


@component
class ChangesRows(Selector):
    """A selector that changes a column."""

    kind = "planted-changes-rows"

    def select(self, table: Any) -> Any:
        changed_table = table.copy()
        changed_table["ZEN_PNT"] = np.round(changed_table["ZEN_PNT"]) + 1
        return changed_table


@component
class ReversesInPlace(Selector):
    """A selector that reverses its input table."""

    kind = "planted-reverses-in-place"

    def select(self, table: Any) -> Any:
        table.reverse()
        return table.copy()


@component
class PlainTable(Selector):
    """A selector that returns a table without the methods of ObservationTable."""

    kind = "planted-plain-table"

    def select(self, table: Any) -> Any:
        from astropy.table import Table

        return Table(table)


@component
class RandomRuns(Selector):
    """A selector with random results."""

    kind = "planted-random-runs"

    def select(self, table: Any) -> Any:
        return table[np.random.permutation(len(table))[: len(table) // 2]]


@component
class NeedsRows(Selector):
    """A selector that fails for empty tables."""

    kind = "planted-needs-rows"

    def select(self, table: Any) -> Any:
        return table[table["TSTART"] >= table["TSTART"][0]]


@component
class HalfRuns(Selector):
    """The two halves of each run: a valid selector that cuts runs."""

    kind = "planted-half-runs"

    def select(self, table: Any) -> Any:
        return table

    def cut_gti(self, gti: Any) -> Any:
        return halves(gti)


@component
class OverlappingParts(HalfRuns):
    """A selector that returns the second half twice."""

    kind = "planted-overlapping-parts"

    def cut_gti(self, gti: Any) -> Any:
        return [*halves(gti), halves(gti)[1]]


@component
class LongerParts(HalfRuns):
    """A selector that fills gaps in the good time."""

    kind = "planted-longer-parts"

    def cut_gti(self, gti: Any) -> Any:
        from gammapy.data import GTI

        return [GTI.from_time_intervals([(gti.time_start.min(), gti.time_stop.max())])]


@component
class OverlappingIntervals(HalfRuns):
    """A selector that returns a part with two intervals that overlap."""

    kind = "planted-overlapping-intervals"

    def cut_gti(self, gti: Any) -> Any:
        from gammapy.data import GTI

        start, stop = gti.time_start[0], gti.time_stop[0]
        low, high = (start + (stop - start) * fraction for fraction in (0.2, 0.4))
        pairs = [(start, high), (low, start + (stop - start) * 0.44)]
        return [GTI.from_time_intervals(pairs, reference_time=gti.time_ref)]


@component
class EmptyParts(HalfRuns):
    """A selector that returns a part without good time."""

    kind = "planted-empty-parts"

    def cut_gti(self, gti: Any) -> Any:
        first, second = halves(gti)
        second.table = second.table[:0]
        return [first, second]


@component
class CutsInPlace(HalfRuns):
    """A selector that changes the good time of the run."""

    kind = "planted-cuts-in-place"

    def cut_gti(self, gti: Any) -> Any:
        gti.table = halves(gti)[0].table
        return [gti]


@component
class CutsMoreEachTime(HalfRuns):
    """A selector whose parts depend on the number of earlier calls."""

    kind = "planted-cuts-more-each-time"

    def cut_gti(self, gti: Any) -> Any:
        CALLS.append(1)
        return halves(gti)[: 1 + len(CALLS) // 2 % 2]


CALLS: list[int] = []


def halves(gti: Any) -> list[Any]:
    """Return the good time before and after the middle of a run."""
    start, stop = gti.time_start.min(), gti.time_stop.max()
    middle = start + (stop - start) / 2
    return [gti.select_time(pair) for pair in ((start.copy(), middle), (middle.copy(), stop))]
