"""Reduced chunks in the order of the configuration, from the cache where possible."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import attrs

from skyred.errors import CacheError
from skyred.interfaces import Maker, Reduction
from skyred.interfaces.records import Outcome
from skyred.plugins import Catalog
from skyred.run.cache import (
    Cache,
    NoCacheError,
    Recipe,
    chunk_key,
    is_disabled,
    reduction_components,
    source_versions,
)
from skyred.run.worker import Chunk, PartialStack

log = logging.getLogger(__name__)

OnReduced = Callable[[Chunk, PartialStack], None]
ReduceChunks = Callable[[Iterable[Chunk], OnReduced], Iterator[PartialStack]]


def open_cache(cache: Cache | str | Path | bool | None) -> Cache | None:
    """Open a cache, by default the user's cache.

    Parameters
    ----------
    cache : Cache, str, Path, bool or None
        A cache or its folder; None or True for the user's cache; False to disable caching.

    Returns
    -------
    Cache or None
        The cache; None if caching is disabled, or if the default cache cannot be used (with a
        warning in the log).

    Raises
    ------
    CacheError
        If the specified folder cannot be used.
    """
    if isinstance(cache, Cache):
        return cache
    if cache is False or (cache in (None, True) and is_disabled()):
        return None
    try:
        return Cache.open(None if cache in (None, True) else cache)  # type: ignore[arg-type]
    except CacheError as error:
        if cache not in (None, True):
            raise
        log.warning("the cache is not used: %s", error)
        return None


@attrs.define
class EntryCache:
    """The cache of one data entry.

    Parameters
    ----------
    cache : Cache or None
        The cache of reduced chunks.
    recipe : Recipe or None
        Everything that a chunk depends on, except its observations; without it, nothing is cached.
    code : tuple of str
        The digests of the source code that reduces chunks; () if unknown.
    """

    cache: Cache | None = None
    recipe: Recipe | None = None
    code: tuple[str, ...] = ()

    @classmethod
    def from_reduction(
        cls,
        cache: Cache | None,
        reduction: Reduction,
        makers: Iterable[Maker],
        catalog: Catalog,
        in_process: bool = False,
    ) -> EntryCache:
        """Return the cache for a prepared reduction; it is disabled if chunks cannot be cached.

        Parameters
        ----------
        cache : Cache or None
            The cache of reduced chunks.
        reduction : Reduction
            The data entry, with its stacker prepared.
        makers : iterable of Maker
            The prepared makers.
        catalog : Catalog
            The catalog of the components and their plugins.
        in_process : bool
            Whether chunks are reduced in this process; the code is then only needed for the cache.

        Returns
        -------
        EntryCache
            The cache of the entry.
        """
        makers = tuple(makers)
        if cache is None and in_process:
            return cls()
        try:
            if cache is None:
                components = reduction_components(reduction, makers)
                return cls(code=source_versions(type(component) for component in components))
            recipe = Recipe.from_reduction(reduction, makers, catalog)
            return cls(cache, recipe, recipe.code)
        except NoCacheError as error:
            if cache is not None:
                log.info("data.%s is not cached: %s", reduction.geometry.name, error)
            return cls()

    def key(self, chunk: Chunk) -> str:
        """Return the cache key of a chunk.

        Parameters
        ----------
        chunk : Chunk
            The chunk.

        Returns
        -------
        str
            The key; "" if the chunk cannot be cached.
        """
        inputs = [chunk.inputs.get(int(observation.obs_id)) for observation in chunk.observations]
        runs = [run for run in inputs if run is not None]
        if self.cache is None or self.recipe is None:
            return ""
        if len(runs) < len(inputs) or not all(chunk.checksums.values()):
            return ""  # observations in memory, or files that cannot be read
        return chunk_key(self.recipe, runs, chunk.checksums)

    def contains(self, key: str) -> bool:
        """Return whether the cache has an entry under a key.

        Parameters
        ----------
        key : str
            The key of a chunk.

        Returns
        -------
        bool
            Whether there is an entry, valid or not.
        """
        return bool(key) and self.cache is not None and self.cache.contains(key)

    def get(self, key: str, entry: str) -> PartialStack | None:
        """Return a chunk from the cache.

        Parameters
        ----------
        key : str
            The key of the chunk.
        entry : str
            The name of the data entry, for the outcomes.

        Returns
        -------
        PartialStack or None
            The reduced chunk, with its outcomes marked as cached; None if it is missing or damaged.
        """
        if self.cache is None:
            return None
        partial_stack = self.cache.get(key)
        if not isinstance(partial_stack, PartialStack):
            return None
        return attrs.evolve(
            partial_stack,
            outcomes=tuple(_mark_as_cached(outcome, entry) for outcome in partial_stack.outcomes),
        )

    def put(self, key: str, partial_stack: PartialStack) -> None:
        """Store a reduced chunk, unless a run failed or a file read by components has changed.

        Parameters
        ----------
        key : str
            The key of the chunk; nothing is stored under "".
        partial_stack : PartialStack
            The reduced chunk.
        """
        if not key or self.cache is None or self.recipe is None:
            return
        if any(outcome.status == "failed" for outcome in partial_stack.outcomes):
            return
        if not self.recipe.files_unchanged():
            log.warning("a chunk is not cached: a file that its components read has changed")
            return
        runs = [outcome.obs_id for outcome in partial_stack.outcomes]
        description = {
            "entry": partial_stack.outcomes[0].entry if partial_stack.outcomes else "",
            "runs": runs,
        }
        self.cache.put(key, partial_stack, description)


def iter_reduced_chunks(
    chunks: Iterable[tuple[EntryCache, Chunk]], reduce_chunks: ReduceChunks
) -> Iterator[tuple[Chunk, PartialStack]]:
    """Yield reduced chunks in order; chunks that are not in the cache are reduced and cached.

    Parameters
    ----------
    chunks : iterable of tuple of EntryCache and Chunk
        The chunks in order, each with its cache.
    reduce_chunks : callable
        A generator function of an iterable of chunks and a callback. It yields the reduced chunks
        in order, and reads the iterable only as far ahead as needed. It calls the callback as soon
        as a chunk is reduced, possibly before yielding it, so that little work is lost if the
        process is killed.

    Yields
    ------
    tuple of Chunk and PartialStack
        Each chunk and its result.
    """
    requests: deque[_ChunkRequest] = deque()

    def store(chunk: Chunk, partial_stack: PartialStack) -> None:
        request = next(request for request in requests if request.chunk is chunk)
        request.entry_cache.put(request.key, partial_stack)

    def iter_missing_chunks() -> Iterator[Chunk]:
        for entry_cache, chunk in chunks:
            key = entry_cache.key(chunk)
            requests.append(_ChunkRequest(entry_cache, chunk, key, entry_cache.contains(key)))
            if not requests[-1].in_cache:
                yield chunk

    def iter_cached_chunks() -> Iterator[tuple[Chunk, PartialStack]]:
        while requests and requests[0].in_cache:
            request = requests.popleft()
            # None if the entry is damaged
            partial_stack = request.entry_cache.get(request.key, request.chunk.entry)
            yield request.chunk, partial_stack or request.reduce(reduce_chunks)

    for partial_stack in reduce_chunks(iter_missing_chunks(), store):
        yield from iter_cached_chunks()
        yield requests.popleft().chunk, partial_stack
    yield from iter_cached_chunks()


@attrs.frozen
class _ChunkRequest:
    """A requested chunk with the cache of its entry, its key, and whether it is in the cache."""

    entry_cache: EntryCache
    chunk: Chunk
    key: str
    in_cache: bool

    def reduce(self, reduce_chunks: ReduceChunks) -> PartialStack:
        return next(
            reduce_chunks(
                [self.chunk], lambda _, partial_stack: self.entry_cache.put(self.key, partial_stack)
            )
        )


def _mark_as_cached(outcome: Outcome, entry: str) -> Outcome:
    status = "cached" if outcome.status == "reduced" else outcome.status
    return attrs.evolve(outcome, entry=entry, status=status, seconds=0.0)
