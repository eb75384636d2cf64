"""Reduction of the observations of data entries to datasets, chunk by chunk, on an engine."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from skyred.interfaces import Engine, Maker, Reduction
from skyred.interfaces.records import Outcome
from skyred.io.streaming import Workers, stream
from skyred.plugins import Catalog
from skyred.plugins.component_errors import errors_of
from skyred.run.cache import Cache, compute_checksums
from skyred.run.cached_chunks import EntryCache, OnReduced, iter_reduced_chunks
from skyred.run.comparisons import Comparisons
from skyred.run.prepare_makers import prepare_makers
from skyred.run.select import Selection
from skyred.run.stacking import Stacking, prepare_stacker
from skyred.run.worker import Chunk, PartialStack, reduce_chunk
from skyred.run.worker_recovery import reduce_run_by_run

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

MAX_LISTED = 10
LOOK_AHEAD = 2  # chunks per slot of the engine: keeps the workers busy, and needs little memory


@attrs.frozen
class Reducer:
    """Reduces data entries, one after the other, on the same workers.

    Parameters
    ----------
    workers : Workers
        The workers that reduce chunks.
    engine : Engine
        Their engine.
    catalog : Catalog
        The catalog of the components and their plugins.
    cache : Cache or None
        The cache of reduced chunks.
    comparisons : Comparisons
        The comparisons with gammapy of the data entries that request them.
    checksums : dict of Path to str
        The sha256, by path, of the files of observations, as they were first read.
    """

    workers: Workers
    engine: Engine
    catalog: Catalog
    cache: Cache | None = None
    comparisons: Comparisons = attrs.field(factory=Comparisons)
    checksums: dict[Path, str] = attrs.field(factory=dict)

    def reduce(
        self,
        entries: Iterable[tuple[str, Reduction, Selection]],
        report: Callable[[Outcome], None],
    ) -> Iterator[tuple[str, Datasets]]:
        """Reduce and stack the selected observations of data entries.

        Chunks are defined by the stacker and merged in order, so that the result is bit-identical
        for any engine, any number of workers, and with or without a cache. The workers continue
        with the next entry while the last chunks of the previous entry are reduced.

        Parameters
        ----------
        entries : iterable of tuple of str, Reduction and Selection
            The data entries with their names and selected observations.
        report : callable
            Called with each outcome, in order.

        Yields
        ------
        tuple of str and Datasets
            The name of each entry and its datasets, which are empty if no observation could be
            reduced.

        Raises
        ------
        RunsFailedError
            If a dataset differs from that of gammapy, or cannot be compared because of an error in
            skyred, with ``compare_with_gammapy``.
        ComponentError
            If a maker or a stacker violates a rule of its interface.
        """
        active_entries: deque[_EntryReduction] = deque()
        entries = tuple(entries)
        n_runs = Counter(
            path
            for _, _, selection in entries
            for run in selection.inputs.values()
            for path in set(run.files)
        )

        def iter_chunks() -> Iterator[tuple[EntryCache, Chunk]]:
            for entry, reduction, selection in entries:
                active_entries.append(self._start_entry(entry, reduction, selection))
                for chunk in _iter_chunks(active_entries[-1], selection, self.checksums, n_runs):
                    yield active_entries[-1].entry_cache, chunk

        for chunk, partial_stack in iter_reduced_chunks(iter_chunks(), self._reduce_chunks):
            while active_entries[0].entry != chunk.entry:
                yield active_entries.popleft().finish(report)
            active_entries[0].add(partial_stack, report)
            for path, sha256 in partial_stack.checksums.items():
                self.checksums[path] = self.checksums.get(path) or sha256
            if chunk.reduction.compare_with_gammapy:
                self.comparisons.add(self.workers, chunk, partial_stack)
        while active_entries:
            yield active_entries.popleft().finish(report)

    def _start_entry(
        self, entry: str, reduction: Reduction, selection: Selection
    ) -> _EntryReduction:
        makers_and_selectors = (*reduction.make, *reduction.select)
        components = (*makers_and_selectors, reduction.geometry, reduction.stack)
        owners = tuple(str(self.catalog.owner(component) or "") for component in components)
        makers = prepare_makers(entry, reduction, selection, self.catalog)
        reduction = reduction.with_name(entry)
        pattern = reduction.name_pattern(entry)
        stack = prepare_stacker(reduction.stack, selection.table, self.catalog)
        reduction = reduction.evolve(stack=stack)
        entry_cache = EntryCache.from_reduction(
            self.cache, reduction, makers, self.catalog, self.engine.in_process
        )
        with errors_of(stack, self.catalog):
            total = stack.zero(reduction.geometry)
        stacking = Stacking(stack, self.catalog, total, pattern)
        return _EntryReduction(
            entry, reduction, makers, owners, entry_cache, stacking, selection.outcomes
        )

    def _reduce_chunks(
        self, chunks: Iterable[Chunk], on_reduced: OnReduced
    ) -> Iterator[PartialStack]:
        recover, look_ahead = (
            partial(reduce_run_by_run, self.workers),
            self.engine.slots * LOOK_AHEAD,
        )
        return stream(self.workers, reduce_chunk, chunks, look_ahead, recover, on_reduced)


def format_outcomes(outcomes: Sequence[Outcome]) -> str:
    """Return the first few outcomes of observations as text, one per line.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The outcomes.

    Returns
    -------
    str
        The text.
    """
    lines = [
        f"  {outcome.entry} {outcome.obs_id} "
        + ": ".join(part for part in (outcome.status, outcome.maker, outcome.reason) if part)
        for outcome in outcomes[:MAX_LISTED]
    ]
    if (more := len(outcomes) - MAX_LISTED) > 0:
        lines.append(f"  and {more} more: see the observation log (observations.ecsv)")
    return "\n".join(lines)


@attrs.define
class _EntryReduction:
    """A data entry that is being reduced.

    Parameters
    ----------
    entry : str
        The name of the data entry.
    reduction : Reduction
        The data entry with the stacker prepared, and datasets named after the entry.
    makers : tuple of Maker
        The prepared makers.
    owners : tuple of str
        The plugins of the makers, the selectors, the geometry and the stacker, in this order; ""
        for a component that is not from a plugin.
    entry_cache : EntryCache
        The cache of the data entry.
    stacking : Stacking
        The stacker, with its current total.
    unreported : sequence of Outcome
        The outcomes of observations that could not be opened, until they are reported.
    """

    entry: str
    reduction: Reduction
    makers: tuple[Maker, ...]
    owners: tuple[str, ...]
    entry_cache: EntryCache
    stacking: Stacking
    unreported: Sequence[Outcome] = ()

    def add(self, partial_stack: PartialStack, report: Callable[[Outcome], None]) -> None:
        """Merge a reduced chunk, and report its outcomes."""
        for outcome in (*self.unreported, *partial_stack.outcomes):
            report(outcome)
        self.unreported = ()
        self.stacking.merge(partial_stack)

    def finish(self, report: Callable[[Outcome], None]) -> tuple[str, Datasets]:
        """Return the name of the entry and its datasets."""
        for outcome in self.unreported:
            report(outcome)
        return self.entry, self.stacking.finish()


def _iter_chunks(
    entry: _EntryReduction,
    selection: Selection,
    checksums: dict[Path, str],
    n_runs: Mapping[Path, int],
) -> Iterator[Chunk]:
    """Yield the chunks of a data entry, and add new checksums to those of all entries.

    `n_runs` has the number of runs of each file, in all entries.
    """
    size, all_observations = entry.reduction.stack.chunk, tuple(selection.observations)
    is_cached = entry.entry_cache.cache is not None
    for start in range(0, len(all_observations), size):
        observations = all_observations[start : start + size]
        known_inputs = (
            selection.inputs.get(int(observation.obs_id)) for observation in observations
        )
        inputs = {run.obs_id: run for run in known_inputs if run is not None}
        # workers hash files as they read them: here, only for cache keys, and to detect that a file
        # of several runs was changed after the first of them
        files = [
            path for run in inputs.values() for path in run.files if is_cached or n_runs[path] > 1
        ]
        checksums.update(compute_checksums(path for path in files if not checksums.get(path)))
        yield Chunk(
            entry.entry,
            entry.reduction,
            entry.makers,
            observations,
            inputs,
            {path: checksums[path] for path in files},
            entry.owners,
            entry.entry_cache.code,
        )
