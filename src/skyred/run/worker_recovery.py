"""Worker recovery: a chunk that kills its worker, run by run and then without those that do it."""

from __future__ import annotations

import logging
import time

import attrs

from skyred.interfaces.records import Outcome
from skyred.io.streaming import LOST, Workers
from skyred.run.worker import Chunk, Partial, reduce_chunk

log = logging.getLogger(__name__)


def rescue(workers: Workers, chunk: Chunk) -> Partial:
    """Reduce a chunk that killed its worker; what kills it alone is recorded as failed.

    The others are stacked in one go, in their order: the sum has the bits that it would have if
    those runs had failed in any other way.

    Raises
    ------
    EngineError
        If the workers cannot be started again.
    """
    log.warning("%s: its worker died twice; trying run by run", _runs(chunk))
    killers = {
        outcome.obs_id: outcome
        for observation in chunk.observations
        if (outcome := _alone(workers, attrs.evolve(chunk, observations=(observation,))))
    }
    try:
        return workers.attempt(reduce_chunk, chunk, killers)
    except LOST as error:
        reason = f"the worker that made {_runs(chunk)} died, though not of any of them alone"
        lost = _killed(chunk, f"{reason} ({error}): out of memory? try a smaller stack.chunk")
        every = {outcome.obs_id: outcome for outcome in lost} | killers
        return reduce_chunk(chunk, every)  # nothing is made: an empty total, here


def _alone(workers: Workers, chunk: Chunk) -> Outcome | None:
    """Try a chunk of one run; what became of it if it killed its worker."""
    started = time.perf_counter()
    try:
        workers.attempt(_survive, chunk)
    except LOST as error:
        reason = f"the worker that made it was killed, each time ({error}): out of memory?"
        (outcome,) = _killed(chunk, reason)
        return attrs.evolve(outcome, seconds=time.perf_counter() - started)
    return None


def _survive(chunk: Chunk) -> None:
    reduce_chunk(chunk)  # its total is not sent: the order of sums is that of the whole chunk


def _killed(chunk: Chunk, reason: str) -> list[Outcome]:
    return [
        Outcome(chunk.entry, int(observation.obs_id), "failed", reason=reason)
        for observation in chunk.observations
    ]


def _runs(chunk: Chunk) -> str:
    ids = ", ".join(str(observation.obs_id) for observation in chunk.observations)
    return f"{chunk.entry} {ids}"
