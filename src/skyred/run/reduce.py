"""Reducing: the observations of a data entry to datasets, chunk by chunk, on an engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.interfaces import Maker, Reduction
from skyred.interfaces.records import Outcome
from skyred.io.streaming import Workers, stream
from skyred.plugins import Catalog
from skyred.run.cache import Cache, sums_of
from skyred.run.cached_chunks import EntryCache, Finished, iter_reduced_chunks
from skyred.run.prepare_makers import prepared
from skyred.run.select import Selection
from skyred.run.worker import Chunk, Partial, reduce_chunk
from skyred.run.worker_recovery import rescue

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

DESCRIBED = 10
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
    sums : dict of Path to str
        The sha256 of all files that were used so far.
    """

    workers: Workers
    slots: int
    catalog: Catalog
    cache: Cache | None = None
    sums: dict[Path, str] = attrs.field(factory=dict)

    def reduce(
        self,
        entries: Iterable[tuple[str, Reduction, Selection]],
        tell: Callable[[Outcome], None],
    ) -> Iterator[tuple[str, Datasets]]:
        """Make and stack the chosen observations of data entries; yields each entry's datasets.

        `tell` is called with each outcome, in order. Chunks are fixed by the stacker and merged in
        order, so the result is the same, bit by bit, whatever the engine, however many workers,
        and whether or not they were made before. The workers go on to the next entry while the
        last chunks of one are made. An entry gives no dataset if no observation gives one.
        """
        begun: deque[_Begun] = deque()

        def chunks() -> Iterator[tuple[EntryCache, Chunk]]:
            for entry, reduction, selection in entries:
                begun.append(self._begin(entry, reduction, selection))
                for chunk in _chunks(begun[-1], selection):
                    self.sums.update(chunk.sums)
                    yield begun[-1].keeper, chunk

        for chunk, made in iter_reduced_chunks(chunks(), self._make):
            while begun[0].entry != chunk.entry:
                yield begun.popleft().end(tell)
            begun[0].add(made, tell)
        while begun:
            yield begun.popleft().end(tell)

    def _begin(self, entry: str, reduction: Reduction, selection: Selection) -> _Begun:
        links = (*reduction.make, reduction.stack)
        owners = tuple(str(self.catalog.owner(link) or "no plugin") for link in links)
        makers = prepared(entry, reduction, selection)
        reduction = reduction.with_name(entry)
        reduction = reduction.evolve(stack=reduction.stack.prepare(selection.table))
        keeper = EntryCache.of(self.cache, reduction, makers, self.catalog)
        total = reduction.stack.zero(reduction.geometry)
        return _Begun(entry, reduction, makers, owners, keeper, total, selection.outcomes)

    def _make(self, chunks: Iterable[Chunk], finished: Finished) -> Iterator[Partial]:
        saved, ahead = partial(rescue, self.workers), self.slots * LOOK_AHEAD
        return stream(self.workers, reduce_chunk, chunks, ahead, saved, finished)


def describe(outcomes: Sequence[Outcome]) -> str:
    """Say what became of observations, a line each; of many, of the first ones."""
    lines = [
        f"  {each.entry} {each.obs_id} "
        + ": ".join(part for part in (each.status, each.maker, each.reason) if part)
        for each in outcomes[:DESCRIBED]
    ]
    if (more := len(outcomes) - DESCRIBED) > 0:
        lines.append(f"  and {more} more: see the ledger (observations.ecsv)")
    return "\n".join(lines)


@attrs.define
class _Begun:
    """A data entry that is being reduced.

    Parameters
    ----------
    entry : str
        Its name.
    reduction : Reduction
        With the stacker prepared, and datasets called after the entry.
    makers : tuple of Maker
        The makers, prepared.
    owners : tuple of str
        Whose the makers and, last, the stacker are.
    keeper : EntryCache
        Its cache.
    total : object
        The stacker's total so far.
    untold : sequence of Outcome
        Observations that could not be opened, until they are told.
    """

    entry: str
    reduction: Reduction
    makers: tuple[Maker, ...]
    owners: tuple[str, ...]
    keeper: EntryCache
    total: Any
    untold: Sequence[Outcome] = ()

    def add(self, made: Partial, tell: Callable[[Outcome], None]) -> None:
        """Merge a chunk."""
        for outcome in (*self.untold, *made.outcomes):
            tell(outcome)
        self.untold = ()
        self.total = self.reduction.stack.merge(self.total, made.total)

    def end(self, tell: Callable[[Outcome], None]) -> tuple[str, Datasets]:
        """Give the entry and its datasets."""
        for outcome in self.untold:
            tell(outcome)
        return self.entry, self.reduction.stack.result(self.total)


def _chunks(begun: _Begun, selection: Selection) -> Iterator[Chunk]:
    size = begun.reduction.stack.chunk
    for first in range(0, len(selection.observations), size):
        observations = tuple(selection.observations[first : first + size])
        known = (selection.inputs.get(int(each.obs_id)) for each in observations)
        inputs = {run.obs_id: run for run in known if run is not None}
        # taken here and not when all were selected: what is made is what was hashed just before
        sums = sums_of(path for run in inputs.values() for path in run.files)
        made_with = (begun.entry, begun.reduction, begun.makers)
        yield Chunk(*made_with, observations, inputs, sums, begun.owners, begun.keeper.code)
