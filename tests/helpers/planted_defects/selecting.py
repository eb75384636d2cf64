"""Selectors with one defect each."""

from __future__ import annotations

from typing import Any

import numpy as np

from skyred import Selector, component


@component
class EveryOther(Selector):
    """Every other run: a sound one."""

    kind = "planted-every-other"

    def select(self, table: Any) -> Any:
        return table[::2]


@component
class ChangesRows(Selector):
    """Rounds what it selects by."""

    kind = "planted-changes-rows"

    def select(self, table: Any) -> Any:
        chosen = table.copy()
        chosen["ZEN_PNT"] = np.round(chosen["ZEN_PNT"]) + 1
        return chosen


@component
class SortsInPlace(Selector):
    """Sorts the table that it is given."""

    kind = "planted-sorts-in-place"

    def select(self, table: Any) -> Any:
        table.reverse()
        return table.copy()


@component
class PlainTable(Selector):
    """Gives a table without the methods of an ObservationTable."""

    kind = "planted-plain-table"

    def select(self, table: Any) -> Any:
        from astropy.table import Table

        return Table(table)


@component
class Lottery(Selector):
    """Draws runs."""

    kind = "planted-lottery"

    def select(self, table: Any) -> Any:
        return table[np.random.permutation(len(table))[: len(table) // 2]]


@component
class NeedsRows(Selector):
    """Fails if there is no first run."""

    kind = "planted-needs-rows"

    def select(self, table: Any) -> Any:
        return table[table["TSTART"] >= table["TSTART"][0]]
