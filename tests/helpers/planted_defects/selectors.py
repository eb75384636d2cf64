"""Selectors with one defect each."""

from __future__ import annotations

from typing import Any

import numpy as np

from skyred import Selector, component


@component
class EverySecond(Selector):
    """Every second run: a valid selector."""

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
class SortsInPlace(Selector):
    """A selector that sorts its input table."""

    kind = "planted-sorts-in-place"

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
