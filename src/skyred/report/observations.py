"""The observations and datasets in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.report.tables import Column

if TYPE_CHECKING:
    from skyred.interfaces.records import Outcome

USED = ("reduced", "cached")
COLUMNS = (
    Column("Data"),
    Column("Run", numeric=True),
    Column("Status"),
    Column("Counts", numeric=True),
    Column("Background norm", numeric=True),
    Column("Time", "s", numeric=True),
    Column("Reason"),
    Column("Findings"),
)
STATUS = 2  # the index of the column with the status


@attrs.frozen
class ObservationTable:
    """The observation log for the sortable table of the page.

    Parameters
    ----------
    summary : str
        The number of observations by status, in words.
    columns : sequence of Column
        The columns.
    rows : sequence of sequence
        The values: numbers, strings, and None for missing numbers.
    status : int
        The index of the column with the status.
    """

    summary: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    status: int = STATUS


def observation_table(outcomes: Sequence[Outcome]) -> ObservationTable:
    """Return the table of all requested observations, failed and skipped ones first.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The outcomes.

    Returns
    -------
    ObservationTable
        The table.
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.status in USED)
    counts = Counter(outcome.status for outcome in outcomes)
    used = sum(counts[status] for status in USED)
    others = [f"{counts[status]} {status}" for status in ("failed", "skipped") if counts[status]]
    summary = f"{used} of {len(outcomes)} observations are in the result"
    if others:
        summary += f"; {' and '.join(others)}, listed first with the reason"
    return ObservationTable(f"{summary}.", COLUMNS, [_row(outcome) for outcome in ordered])


def _row(outcome: Outcome) -> list[Any]:
    is_used = outcome.status in USED
    norm = float(outcome.background_norm)
    return [
        outcome.entry,
        int(outcome.obs_id),
        outcome.status,
        int(outcome.counts) if is_used else None,
        round(norm, 5) if np.isfinite(norm) else None,
        round(float(outcome.seconds), 3),
        outcome.reason,
        "; ".join(outcome.notes),
    ]
