"""Reducing: the observations of a data entry to datasets, chunk by chunk, on an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from skyred.errors import RunsFailedError
from skyred.interfaces import Reduction
from skyred.records import Outcome
from skyred.reduction import Chunk, reduce_chunk
from skyred.streaming import stream

if TYPE_CHECKING:
    from gammapy.data import Observations
    from gammapy.datasets import Datasets

LOOK_AHEAD = 2  # chunks for each slot of the engine: enough to keep it busy, little to hold


def reduce(
    entry: str,
    reduction: Reduction,
    observations: Observations,
    executor: Executor,
    slots: int,
    tell: Callable[[Outcome], None],
) -> Datasets:
    """Make and stack the observations; `tell` is called with each outcome, in order.

    Chunks are fixed by the stacker and merged in order, so the result is the same, bit by bit,
    whatever the engine and however many workers.

    Raises
    ------
    RunsFailedError
        If no observation gives a dataset.
    """
    makers = tuple(maker.prepare(observations) for maker in reduction.make)
    total: Any = reduction.stack.zero(reduction.geometry, entry)
    lost: list[Outcome] = []
    chunks = _chunks(entry, reduction, makers, observations)
    for partial in stream(executor, reduce_chunk, chunks, slots * LOOK_AHEAD):
        for outcome in partial.outcomes:
            tell(outcome)
            if outcome.status not in ("made", "cached"):
                lost.append(outcome)
        total = reduction.stack.merge(total, partial.total)
    if len(lost) == len(observations):
        raise RunsFailedError(
            f"data.{entry}: none of {len(lost)} observations gave a dataset:\n{describe(lost)}"
        )
    return reduction.stack.result(total)


def describe(outcomes: Iterable[Outcome]) -> str:
    """Say what became of observations, a line each."""
    return "\n".join(f"  {o.entry} {o.obs_id} {o.status}: {o.maker}: {o.reason}" for o in outcomes)


def _chunks(
    entry: str, reduction: Reduction, makers: tuple[Any, ...], observations: Observations
) -> Iterator[Chunk]:
    size = reduction.stack.chunk
    for first in range(0, len(observations), size):
        yield Chunk(entry, reduction, makers, tuple(observations[first : first + size]))
