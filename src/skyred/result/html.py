"""HTML representation of a result: steps, observations, datasets, fit and estimates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.interfaces.product import product_body
from skyred.interfaces.records import STATUSES, Outcome
from skyred.io.html import (
    Html,
    bold,
    data_table,
    details,
    join,
    muted,
    paragraph,
    styled_div,
    table,
)
from skyred.products.dataset_rows import DATASET_COLUMNS, dataset_row
from skyred.result.plots import plots_table

if TYPE_CHECKING:
    from skyred.result.core import Result

SUCCESSFUL = ("reduced", "cached")
MAX_ROWS = 20  # of observations and datasets; the attributes of the result contain all of them
OUTCOME_COLUMNS = ("Data", "Run", "Status", "Counts", "Background norm", "Time", "Reason")


def result_html(result: Result) -> str:
    """Return the HTML representation of a result.

    Parameters
    ----------
    result : Result
        The result.

    Returns
    -------
    str
        The HTML, a single div.
    """
    return styled_div(*_iter_sections(result))


def _iter_sections(result: Result) -> Iterator[Html]:
    yield paragraph(bold("Result"), " ", _describe_run(result))
    if result.replaced:
        names = ", ".join(result.replaced)
        yield paragraph(f"The output of these steps was replaced from Python: {names}.")
    for name, reason in result.unread.items():
        yield paragraph(bold(f"{name} is not read: "), reason)
    steps = [(step.name, f"{step.seconds:.1f} s", step.summary) for step in result.steps]
    yield details(bold("steps"), table(("Step", "Time", "Output"), steps), expanded=True)
    any_unsuccessful = any(outcome.status not in SUCCESSFUL for outcome in result.outcomes)
    label = join(bold("observations"), " ", muted(_count_statuses(result.outcomes)))
    yield details(label, _outcome_table(result.outcomes), expanded=any_unsuccessful)
    for name, observation_table in result.observation_tables.items():
        label = bold(f"observation_tables[{name!r}]")
        yield details(label, data_table(observation_table))
    yield details(bold("datasets"), _dataset_table(list(result.datasets or ())), expanded=True)
    if result.fit is not None:
        yield details(bold("fit"), result.fit.html(), expanded=True)
    for name, product in result.estimates.items():
        label = join(bold(f"estimates[{name!r}]"), " ", muted(result.kinds.get(name, "")))
        yield details(label, product_body(product), expanded=True)
    yield details(bold("plot"), plots_table(result.plot))


def _describe_run(result: Result) -> str:
    phrases = [f"in {result.folder}" if result.folder else "in memory"]
    if result.provenance:
        error = result.provenance.get("error")
        phrases = [
            str(result.provenance.get("state", "")) + (f" ({error})" if error else ""),
            *phrases,
        ]
    return ", ".join([*phrases, f"digest {result.digest[:12] or 'none'}"])


def _count_statuses(outcomes: Iterable[Outcome]) -> str:
    """Return the number of observations by status: '4 reduced, 1 skipped'."""
    counts = Counter(outcome.status for outcome in outcomes)
    return (
        ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status]) or "none"
    )


def _outcome_table(outcomes: Sequence[Outcome]) -> Html:
    """Return a table of outcomes, with failed and skipped observations first."""
    sorted_outcomes = sorted(outcomes, key=lambda outcome: -STATUSES.index(outcome.status))
    rows = [_outcome_row(outcome) for outcome in sorted_outcomes[:MAX_ROWS]]
    return join(table(OUTCOME_COLUMNS, rows), _remaining_note(outcomes, "observations"))


def _dataset_table(datasets: Sequence[Any]) -> Html:
    rows = [dataset_row(dataset) for dataset in datasets[:MAX_ROWS]]
    return join(table(DATASET_COLUMNS, rows), _remaining_note(datasets, "datasets"))


def _remaining_note(items: Sequence[object], name: str) -> Html:
    n_hidden = len(items) - MAX_ROWS
    return (
        paragraph(muted(f"and {n_hidden} more: see the attribute {name}"))
        if n_hidden > 0
        else join()
    )


def _outcome_row(outcome: Outcome) -> tuple[object, ...]:
    norm = "" if np.isnan(outcome.background_norm) else f"{outcome.background_norm:.4f}"
    counts = outcome.counts if outcome.status in SUCCESSFUL else ""
    return (outcome.entry, outcome.obs_id, outcome.status, counts, norm,
            f"{outcome.seconds:.1f} s", outcome.reason)  # fmt: skip
