"""A result as a notebook shows it: what went in, what became of it, what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.interfaces.product import product_body
from skyred.interfaces.records import STATUSES, Outcome
from skyred.io.html import Html, bold, details, join, muted, page, paragraph, table
from skyred.result.pictures import pictures_table

if TYPE_CHECKING:
    from skyred.result.core import Result

GOOD = ("made", "cached")
ROWS = 20  # of ledger and datasets; all of them are in `observations` and `datasets`
OUTCOME = ("Data", "Run", "Status", "Counts", "Background norm", "Time", "Reason")
DATASET = ("Dataset", "Type", "Counts", "Background", "Livetime", "Energy", "Bins used")


def show(result: Result) -> str:
    """Give the HTML of a result."""
    return page(*_parts(result))


def _parts(result: Result) -> Iterator[Html]:
    yield paragraph(bold("Result"), " ", _state(result))
    if result.replaced:
        names = ", ".join(result.replaced)
        yield paragraph(f"Replaced from Python, so not as configured: the result of {names}.")
    steps = [(step.name, f"{step.seconds:.1f} s", step.summary) for step in result.steps]
    yield details(bold("steps"), table(("Step", "Time", "What it gave"), steps), unfolded=True)
    lost = any(outcome.status not in GOOD for outcome in result.outcomes)
    label = join(bold("observations"), " ", muted(_tally(result.outcomes)))
    yield details(label, _ledger(result.outcomes), unfolded=lost)
    yield details(bold("datasets"), _datasets(list(result.datasets or ())), unfolded=True)
    if result.fit is not None:
        yield details(bold("fit"), result.fit.html(), unfolded=True)
    for name, product in result.estimates.items():
        label = join(bold(f"estimates[{name!r}]"), " ", muted(result.kinds.get(name, "")))
        yield details(label, product_body(product), unfolded=True)
    yield details(bold("plot"), pictures_table(result.plot))


def _state(result: Result) -> str:
    said = [f"in {result.folder}" if result.folder else "in memory"]
    if result.report:
        error = result.report.get("error")
        said = [str(result.report.get("state", "")) + (f" ({error})" if error else ""), *said]
    return ", ".join([*said, f"digest {result.digest[:12] or 'none'}"])


def _tally(outcomes: Iterable[Outcome]) -> str:
    """Count what became of the observations: '4 made, 1 skipped'."""
    found = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{found[status]} {status}" for status in STATUSES if found[status]) or "none"


def _ledger(outcomes: Sequence[Outcome]) -> Html:
    """Give the ledger with what was lost first."""
    lost_first = sorted(outcomes, key=lambda outcome: -STATUSES.index(outcome.status))
    rows = [_outcome(outcome) for outcome in lost_first[:ROWS]]
    return join(table(OUTCOME, rows), _rest(outcomes, "observations"))


def _datasets(datasets: Sequence[Any]) -> Html:
    rows = [_dataset(dataset) for dataset in datasets[:ROWS]]
    return join(table(DATASET, rows), _rest(datasets, "datasets"))


def _rest(shown: Sequence[object], name: str) -> Html:
    left = len(shown) - ROWS
    return paragraph(muted(f"and {left} more: all are in {name}")) if left > 0 else join()


def _outcome(each: Outcome) -> tuple[object, ...]:
    norm = "" if each.background_norm != each.background_norm else f"{each.background_norm:.4f}"
    counts = each.counts if each.status in GOOD else ""
    return (each.entry, each.obs_id, each.status, counts, norm,
            f"{each.seconds:.1f} s", each.reason)  # fmt: skip


def _dataset(dataset: Any) -> tuple[object, ...]:
    """Give counts and background inside the mask, and how far it reaches."""
    kind = type(dataset).__name__
    if getattr(dataset, "counts", None) is None:  # flux points
        return (dataset.name, kind, "", "", "", "", "")
    size = dataset.counts.data.size
    used = size if dataset.mask is None else int(np.count_nonzero(dataset.mask.data))
    energies = _energies(dataset) if used else ""
    return (dataset.name, kind, f"{_sum(dataset.counts, dataset):.0f}",
            "" if dataset.background is None else f"{_sum(dataset.background, dataset):.1f}",
            _livetime(dataset), energies, f"{used} of {size}")  # fmt: skip


def _sum(content: Any, dataset: Any) -> float:
    inside = True if dataset.mask is None else dataset.mask.data.astype(bool)
    return float(np.sum(content.data, where=inside, dtype=float))


def _energies(dataset: Any) -> str:
    from gammapy.utils.units import energy_unit_format

    return " to ".join(energy_unit_format(energy) for energy in dataset.energy_range_total)


def _livetime(dataset: Any) -> str:
    livetime = (getattr(dataset.exposure, "meta", None) or {}).get("livetime")
    return "" if livetime is None else f"{livetime.to('h'):.2f}"
