"""Requirements for selectors: an unchanged input, and a sub-table as the result."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

from skyred.errors import SkyredError
from skyred.testing.case import ComponentCase
from skyred.testing.compare import contents, differences
from skyred.testing.requirement import require, requirement
from skyred.testing.steps import step

_SUB_TABLE = "Return table[mask] or table[indices]: unchanged rows with all columns."


@requirement("returns a sub-table with unchanged rows", "selector", fix=_SUB_TABLE)
def returns_sub_table(case: ComponentCase) -> None:
    """Check that the columns are the same, and that each row is in the table and not duplicated.

    Parameters
    ----------
    case : ComponentCase
        The selector to be checked.
    """
    table = case.table()
    selected_rows = _select(case, table)
    require(
        selected_rows.colnames == table.colnames,
        f"the columns {', '.join(table.colnames)} became {', '.join(selected_rows.colnames)}",
    )
    extra = Counter(map(_row, selected_rows)) - Counter(map(_row, case.table()))
    require(not extra, f"{sum(extra.values())} of {len(selected_rows)} rows are new or duplicated")


@requirement(
    "returns a table of the same type",
    "selector",
    fix=_SUB_TABLE + " Later steps need an ObservationTable.",
)
def keeps_type(case: ComponentCase) -> None:
    """Check the type of the table, because other selectors call methods of ObservationTable.

    Parameters
    ----------
    case : ComponentCase
        The selector to be checked.
    """
    table = case.table()
    selected_rows = _select(case, table)
    require(type(selected_rows) is type(table), f"it returns a {type(selected_rows).__name__}")


@requirement(
    "leaves the table unchanged",
    "selector",
    fix="Work on table.copy(), or on arrays created from its columns.",
)
def leaves_table_unchanged(case: ComponentCase) -> None:
    """Check that rows, columns, units and metadata stay the same.

    Parameters
    ----------
    case : ComponentCase
        The selector to be checked.
    """
    table = case.table()
    original_contents = contents(case.table())
    _select(case, table)
    changes = differences(original_contents, contents(table))
    require(not changes, "; ".join(changes[:3]))


@requirement(
    "returns the same rows each time",
    "selector",
    fix="Use neither random numbers without a seed nor the current time, and keep no state between "
    "calls.",
)
def returns_same_rows(case: ComponentCase) -> None:
    """Check that two selections are equal, with a selection from fewer rows in between.

    Parameters
    ----------
    case : ComponentCase
        The selector to be checked.
    """
    first = contents(_select(case, case.table()))
    with suppress(SkyredError):  # it may require runs that are not among these rows
        _select(case, case.table()[:2])
    changes = differences(first, contents(_select(case, case.table())))
    require(not changes, "; ".join(changes[:3]))


@requirement(
    "accepts a table without rows",
    "selector",
    fix="Return the empty table: preceding selectors may have removed all rows.",
)
def accepts_empty_table(case: ComponentCase) -> None:
    """Check that the selector accepts an empty table, because other selectors may return one.

    Parameters
    ----------
    case : ComponentCase
        The selector to be checked.
    """
    try:
        selected_rows = _select(case, case.table()[:0])
    except SkyredError:  # the selector requires certain runs, and reports that they are missing
        return
    require(len(selected_rows) == 0, f"for an empty table it returns {len(selected_rows)} rows")


def _select(case: ComponentCase, table: Any) -> Any:
    with step("selecting runs"):
        return case.component.select(table)


def _row(row: Any) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in row.colnames)
