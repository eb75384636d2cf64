"""Errors and a summary of failed runs, and an error for data entries without a reduced run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from skyred.errors import RunsFailedError
from skyred.interfaces import Chain
from skyred.interfaces.records import STATUSES, Outcome
from skyred.run.reduce import format_outcomes

_ON_FAULT_HINT = "use runs with faults anyway (data.{}.on_fault: note), "


def raise_on_failures(outcomes: Sequence[Outcome], pipeline: Chain) -> None:
    """Raise an error if runs failed in a data entry with ``on_error: stop``.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The outcomes of all requested observations.
    pipeline : Chain
        The pipeline with the data entries.

    Raises
    ------
    RunsFailedError
        If runs of such an entry failed; the message lists the first of them, with the reasons.
    """
    outcomes = [outcome for outcome in outcomes if pipeline.data[outcome.entry].on_error == "stop"]
    failed_outcomes = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed_outcomes:
        entry = failed_outcomes[0].entry
        hint = next(
            (
                _ON_FAULT_HINT.format(outcome.entry)
                for outcome in failed_outcomes
                if outcome.maker == "inspection" and pipeline.data[outcome.entry].on_fault == "fail"
            ),
            "",
        )
        raise RunsFailedError(
            f"{len(failed_outcomes)} of {len(outcomes)} runs failed:\n"
            f"{format_outcomes(failed_outcomes)}\n"
            f"fix them, exclude them, {hint}or continue without them (data.{entry}.on_error: skip)"
            + "; tracebacks are in observations.ecsv"
            * any(outcome.traceback for outcome in failed_outcomes)
        )


def require_reduced(outcomes: Iterable[Outcome], entries: Iterable[str]) -> None:
    """Raise an error if no run of a data entry was reduced.

    Parameters
    ----------
    outcomes : iterable of Outcome
        The outcomes of all requested observations.
    entries : iterable of str
        The names of the data entries with selected observations.

    Raises
    ------
    RunsFailedError
        If an entry has no reduced run; the message lists its first runs, with the reasons.
    """
    outcomes = list(outcomes)
    reduced_entries = {
        outcome.entry for outcome in outcomes if outcome.status in ("reduced", "cached")
    }
    if empty_entries := [entry for entry in entries if entry not in reduced_entries]:
        outcomes = [outcome for outcome in outcomes if outcome.entry in empty_entries]
        raise RunsFailedError(
            f"none of {len(outcomes)} observations of data.{', data.'.join(empty_entries)} "
            f"could be reduced:\n{format_outcomes(outcomes)}"
        )


def format_other_statuses(outcomes: Iterable[Outcome]) -> str:
    """Return the numbers of cached, skipped and failed observations: " (4 cached, 1 failed)".

    Parameters
    ----------
    outcomes : iterable of Outcome
        The outcomes.

    Returns
    -------
    str
        The numbers; "" if all observations were reduced.
    """
    counts = Counter(outcome.status for outcome in outcomes)
    phrases = [f"{counts[status]} {status}" for status in STATUSES[1:] if counts[status]]
    return f" ({', '.join(phrases)})" if phrases else ""
