"""Recovery of a chunk that killed its worker: its runs are reduced one by one.

Runs that kill a worker even when they are reduced alone are marked as failed.
"""

from __future__ import annotations

import logging
import time

import attrs

from skyred.interfaces.records import Outcome
from skyred.io.streaming import LOST_TASK_ERRORS, Workers
from skyred.run.worker import Chunk, PartialStack, reduce_chunk

log = logging.getLogger(__name__)


def reduce_run_by_run(workers: Workers, chunk: Chunk) -> PartialStack:
    """Reduce a chunk that killed its worker, with each run in a separate task first.

    Runs that kill a worker even when they are reduced alone are marked as failed.

    The other runs are stacked in one pass, in order, so that the total is bit-identical to that of
    a chunk in which the failed runs failed for another reason.

    Parameters
    ----------
    workers : Workers
        The workers.
    chunk : Chunk
        The chunk.

    Returns
    -------
    PartialStack
        The reduced chunk.

    Raises
    ------
    EngineError
        If the workers cannot be started again.
    """
    log.warning(
        "the worker of %s died repeatedly; the runs are reduced one by one", _describe_runs(chunk)
    )
    fatal_outcomes = {
        outcome.obs_id: outcome
        for observation in chunk.observations
        if (outcome := _try_alone(workers, attrs.evolve(chunk, observations=(observation,))))
    }
    try:
        return workers.attempt(reduce_chunk, chunk, fatal_outcomes)
    except LOST_TASK_ERRORS as error:
        reason = f"the worker died while reducing {_describe_runs(chunk)} together"
        failures = _failed_outcomes(
            chunk, f"{reason} ({error}): out of memory? try a smaller stack.chunk"
        )
        all_failures = {outcome.obs_id: outcome for outcome in failures} | fatal_outcomes
        return reduce_chunk(chunk, all_failures)  # an empty total, because all runs are excluded


def _try_alone(workers: Workers, chunk: Chunk) -> Outcome | None:
    """Reduce a chunk of one run; return its outcome if it killed its worker, else None."""
    start = time.perf_counter()
    try:
        workers.attempt(_reduce_and_discard, chunk)
    except LOST_TASK_ERRORS as error:
        reason = f"the worker died each time while reducing this run ({error}): out of memory?"
        (outcome,) = _failed_outcomes(chunk, reason)
        return attrs.evolve(outcome, seconds=time.perf_counter() - start)
    return None


def _reduce_and_discard(chunk: Chunk) -> None:
    reduce_chunk(chunk)  # the total is not used, because all runs are stacked again in order


def _failed_outcomes(chunk: Chunk, reason: str) -> list[Outcome]:
    return [
        Outcome(chunk.entry, int(observation.obs_id), "failed", reason=reason)
        for observation in chunk.observations
    ]


def _describe_runs(chunk: Chunk) -> str:
    ids = ", ".join(str(observation.obs_id) for observation in chunk.observations)
    return f"{chunk.entry} {ids}"
