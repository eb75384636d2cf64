"""Cached chunks: taken from the cache where they are there, in their order among those made."""

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
from skyred.run.cache import Cache, NoCacheError, Recipe, chunk_key, is_off
from skyred.run.worker import Chunk, Partial

log = logging.getLogger(__name__)

Finished = Callable[[Chunk, Partial], None]
Make = Callable[[Iterable[Chunk], Finished], Iterator[Partial]]


def open_cache(asked: Cache | str | Path | bool | None) -> Cache | None:
    """Open the cache that is asked for: by default the user's, none if False.

    Raises
    ------
    CacheError
        If a folder is asked for that cannot be used. The default one is done without, with a
        warning.
    """
    if isinstance(asked, Cache):
        return asked
    if asked is False or (asked in (None, True) and is_off()):
        return None
    try:
        return Cache.open(None if asked in (None, True) else asked)  # type: ignore[arg-type]
    except CacheError as error:
        if asked not in (None, True):
            raise
        log.warning("nothing is cached: %s", error)
        return None


@attrs.define
class EntryCache:
    """The cache of one data entry.

    Parameters
    ----------
    cache : Cache or None
        Where chunks are kept.
    recipe : Recipe or None
        What they are made with; nothing is kept without.
    """

    cache: Cache | None = None
    recipe: Recipe | None = None

    @classmethod
    def of(
        cls,
        cache: Cache | None,
        reduction: Reduction,
        makers: Iterable[Maker],
        catalog: Catalog,
    ) -> EntryCache:
        """Give the cache of a reduction as it is prepared; one that keeps nothing if it cannot."""
        try:
            return cls(cache, Recipe.of(reduction, makers, catalog))
        except NoCacheError as why:
            if cache is not None:
                log.info("nothing of data.%s is cached: %s", reduction.geometry.name, why)
            return cls()

    @property
    def code(self) -> tuple[str, ...]:
        """The digests of the source that makes chunks; () where that is not known."""
        return self.recipe.code if self.recipe is not None else ()

    def key(self, chunk: Chunk) -> str:
        """Give the key of a chunk; "" if it cannot be kept."""
        inputs = [chunk.inputs.get(int(each.obs_id)) for each in chunk.observations]
        runs = [run for run in inputs if run is not None]
        if self.cache is None or self.recipe is None:
            return ""
        if len(runs) < len(inputs) or not all(chunk.sums.values()):
            return ""  # of observations in memory, or files that cannot be read
        return chunk_key(self.recipe, runs, chunk.sums)

    def holds(self, key: str) -> bool:
        """Say whether there is something under a key."""
        return bool(key) and self.cache is not None and self.cache.holds(key)

    def get(self, key: str, entry: str) -> Partial | None:
        """Give a chunk from the cache; None if it is not there, or damaged."""
        if self.cache is None:
            return None
        held = self.cache.get(key)
        if not isinstance(held, Partial):
            return None
        return attrs.evolve(held, outcomes=tuple(_cached(each, entry) for each in held.outcomes))

    def put(self, key: str, partial: Partial) -> None:
        """Keep a chunk, unless a run of it failed: it is to be tried again, as a whole."""
        if not key or self.cache is None or self.recipe is None:
            return
        if any(outcome.status == "failed" for outcome in partial.outcomes):
            return
        if not self.recipe.holds_still():
            log.warning("a file that the makers read was changed meanwhile: nothing of it is kept")
            return
        runs = [outcome.obs_id for outcome in partial.outcomes]
        about = {"entry": partial.outcomes[0].entry if partial.outcomes else "", "runs": runs}
        self.cache.put(key, partial, about)


def iter_reduced_chunks(
    chunks: Iterable[tuple[EntryCache, Chunk]], make: Make
) -> Iterator[tuple[Chunk, Partial]]:
    """Yield chunks with what became of them, in their order: from the cache, or made and kept.

    Parameters
    ----------
    chunks : iterable of tuple of EntryCache and Chunk
        In order, each with its cache.
    make : callable
        Makes chunks: gives what became of each, in their order, and reads no further than it
        needs. It calls what it is given with each chunk as soon as that is made, be it before its
        turn: a run that is killed has that much more to go on from.
    """
    order: deque[_Asked] = deque()

    def keep(chunk: Chunk, partial: Partial) -> None:
        asked = next(each for each in order if each.chunk is chunk)
        asked.keeper.put(asked.key, partial)

    def missing() -> Iterator[Chunk]:
        for keeper, chunk in chunks:
            key = keeper.key(chunk)
            order.append(_Asked(keeper, chunk, key, keeper.holds(key)))
            if not order[-1].held:
                yield chunk

    def kept() -> Iterator[tuple[Chunk, Partial]]:
        while order and order[0].held:
            asked = order.popleft()
            # what is there may be damaged all the same
            found = asked.keeper.get(asked.key, asked.chunk.entry)
            yield asked.chunk, found or asked.make_again(make)

    for partial in make(missing(), keep):
        yield from kept()
        yield order.popleft().chunk, partial
    yield from kept()


@attrs.frozen
class _Asked:
    """A chunk that is asked for: its cache, its key there, and whether there is something."""

    keeper: EntryCache
    chunk: Chunk
    key: str
    held: bool

    def make_again(self, make: Make) -> Partial:
        return next(make([self.chunk], lambda _, partial: self.keeper.put(self.key, partial)))


def _cached(outcome: Outcome, entry: str) -> Outcome:
    status = "cached" if outcome.status == "made" else outcome.status
    return attrs.evolve(outcome, entry=entry, status=status, seconds=0.0)
