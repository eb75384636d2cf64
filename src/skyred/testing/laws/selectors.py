"""Laws of selectors: a sub-table, and nothing else."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

from skyred.errors import SkyredError
from skyred.testing.case import ComponentCase
from skyred.testing.compare import contents, differences
from skyred.testing.law import law, require

_SUB_TABLE = "Return table[mask] or table[indices]: the rows as they were, of all columns."


@law("gives a sub-table with its rows unchanged", "selector", mend=_SUB_TABLE)
def sub_table(case: ComponentCase) -> None:
    """Each row is one of the table's, and comes no more often than there."""
    table = case.table()
    chosen = _select(case, table)
    require(
        chosen.colnames == table.colnames,
        f"the columns {', '.join(table.colnames)} became {', '.join(chosen.colnames)}",
    )
    more = Counter(map(_row, chosen)) - Counter(map(_row, case.table()))
    require(not more, f"{sum(more.values())} of {len(chosen)} rows are not those of the table")


@law(
    "gives a table of the type that it was given",
    "selector",
    mend=_SUB_TABLE + " What comes after it needs an ObservationTable.",
)
def same_type(case: ComponentCase) -> None:
    """gammapy's ObservationTable has methods that selectors further down call."""
    table = case.table()
    chosen = _select(case, table)
    require(type(chosen) is type(table), f"it gives a {type(chosen).__name__}")


@law(
    "leaves the table as it was",
    "selector",
    mend="Work on table.copy(), or on arrays that are made of its columns.",
)
def leaves_table(case: ComponentCase) -> None:
    """Rows, columns, units and metadata."""
    table = case.table()
    before = contents(case.table())
    _select(case, table)
    found = differences(before, contents(table))
    require(not found, "; ".join(found[:3]))


@law(
    "gives the same rows each time",
    "selector",
    mend="Use neither random numbers without a seed nor the time of day, and keep nothing between "
    "calls.",
)
def selects_again(case: ComponentCase) -> None:
    """Twice, with a selection from fewer rows between."""
    first = contents(_select(case, case.table()))
    with suppress(SkyredError):  # it may ask for runs by name
        _select(case, case.table()[:2])
    found = differences(first, contents(_select(case, case.table())))
    require(not found, "; ".join(found[:3]))


@law(
    "takes a table without rows",
    "selector",
    mend="Give the empty table back: selectors before may have left nothing.",
)
def takes_nothing(case: ComponentCase) -> None:
    """Another selector may have left nothing."""
    try:
        chosen = _select(case, case.table()[:0])
    except SkyredError:  # told in words: it was asked for runs by name
        return
    require(len(chosen) == 0, f"of no rows it gives {len(chosen)}")


def _select(case: ComponentCase, table: Any) -> Any:
    return case.component.select(table)


def _row(row: Any) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in row.colnames)
