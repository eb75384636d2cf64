"""Reducing: the observations of a data entry to datasets, chunk by chunk, on an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from skyred.interfaces import Reduction
from skyred.orchestrator.selecting import Selection
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
    selection: Selection,
    executor: Executor,
    slots: int,
    tell: Callable[[Outcome], None],
) -> Datasets:
    """Make and stack the chosen observations; `tell` is called with each outcome, in order.

    Chunks are fixed by the stacker and merged in order, so the result is the same, bit by bit,
    whatever the engine and however many workers. Gives no dataset if no observation gives one.
    """
    for outcome in selection.outcomes:
        tell(outcome)
    makers = tuple(maker.prepare(selection.observations) for maker in reduction.make)
    reduction = reduction.named(entry)
    reduction = reduction.evolve(stack=reduction.stack.prepare(selection.table))
    total: Any = reduction.stack.zero(reduction.geometry)
    chunks = _chunks(entry, reduction, makers, selection.observations)
    for partial in stream(executor, reduce_chunk, chunks, slots * LOOK_AHEAD):
        for outcome in partial.outcomes:
            tell(outcome)
        total = reduction.stack.merge(total, partial.total)
    return reduction.stack.result(total)


def describe(outcomes: Iterable[Outcome]) -> str:
    """Say what became of observations, a line each."""
    return "\n".join(
        f"  {each.entry} {each.obs_id} "
        + ": ".join(part for part in (each.status, each.maker, each.reason) if part)
        for each in outcomes
    )


def _chunks(
    entry: str, reduction: Reduction, makers: tuple[Any, ...], observations: Observations
) -> Iterator[Chunk]:
    size = reduction.stack.chunk
    for first in range(0, len(observations), size):
        yield Chunk(entry, reduction, makers, tuple(observations[first : first + size]))
