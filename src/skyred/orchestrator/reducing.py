"""Reducing: the observations of a data entry to datasets, chunk by chunk, on an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from skyred.cache import Cache, sums_of
from skyred.interfaces import Reduction
from skyred.orchestrator.caching import Keeper, made_or_kept
from skyred.orchestrator.rescue import rescue
from skyred.orchestrator.selecting import Selection
from skyred.plugins import Catalog
from skyred.records import Outcome
from skyred.reduction import Chunk, Partial, reduce_chunk
from skyred.streaming import Workers, stream

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

LOOK_AHEAD = 2  # chunks for each slot of the engine: enough to keep it busy, little to hold


@attrs.frozen
class Reducer:
    """Reduces data entries, one after the other, on the same workers.

    Parameters
    ----------
    workers : Workers
        Where chunks are made.
    slots : int
        How many at once.
    catalog : Catalog
        Whose the components are.
    cache : Cache or None
        Where chunks are kept.
    """

    workers: Workers
    slots: int
    catalog: Catalog
    cache: Cache | None = None

    def reduce(
        self,
        entry: str,
        reduction: Reduction,
        selection: Selection,
        tell: Callable[[Outcome], None],
    ) -> Datasets:
        """Make and stack the chosen observations; `tell` is called with each outcome, in order.

        Chunks are fixed by the stacker and merged in order, so the result is the same, bit by bit,
        whatever the engine, however many workers, and whether or not they were made before. Gives
        no dataset if no observation gives one.
        """
        for outcome in selection.outcomes:
            tell(outcome)
        makers = tuple(maker.prepare(selection.observations) for maker in reduction.make)
        reduction = reduction.named(entry)
        reduction = reduction.evolve(stack=reduction.stack.prepare(selection.table))
        keeper = Keeper.of(self.cache, reduction, makers, self.catalog)
        total: Any = reduction.stack.zero(reduction.geometry)
        chunks = _chunks(entry, reduction, makers, selection)
        for made in made_or_kept(chunks, keeper, self._make):
            for outcome in made.outcomes:
                tell(outcome)
            total = reduction.stack.merge(total, made.total)
        return reduction.stack.result(total)

    def _make(self, chunks: Iterable[Chunk]) -> Iterator[Partial]:
        saved = partial(rescue, self.workers)
        return stream(self.workers, reduce_chunk, chunks, self.slots * LOOK_AHEAD, saved)


def describe(outcomes: Iterable[Outcome]) -> str:
    """Say what became of observations, a line each."""
    return "\n".join(
        f"  {each.entry} {each.obs_id} "
        + ": ".join(part for part in (each.status, each.maker, each.reason) if part)
        for each in outcomes
    )


def _chunks(
    entry: str, reduction: Reduction, makers: tuple[Any, ...], selection: Selection
) -> Iterator[Chunk]:
    size = reduction.stack.chunk
    for first in range(0, len(selection.observations), size):
        observations = tuple(selection.observations[first : first + size])
        known = (selection.inputs.get(int(each.obs_id)) for each in observations)
        inputs = {run.obs_id: run for run in known if run is not None}
        # taken here and not when all were selected: what is made is what was hashed just before
        sums = sums_of(path for run in inputs.values() for path in run.files)
        yield Chunk(entry, reduction, makers, observations, inputs, sums)
