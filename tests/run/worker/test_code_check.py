"""Workers reduce a chunk only if their source code is that of the main process."""

import attrs
import pytest

from fault_injection.killing_maker import KillingMaker, chunks
from skyred.errors import EngineError
from skyred.plugins import Plugins
from skyred.run.cache import reduction_components, source_versions
from skyred.run.cached_chunks import EntryCache
from skyred.run.worker import Chunk, reduce_chunk


@pytest.fixture
def chunk() -> Chunk:
    first_chunk: Chunk = next(iter(chunks(KillingMaker(), 2)))
    return first_chunk


def test_chunk_is_reduced_with_the_same_source(chunk: Chunk) -> None:
    code = source_versions(
        type(component) for component in reduction_components(chunk.reduction, chunk.makers)
    )
    partial_stack = reduce_chunk(attrs.evolve(chunk, code=code))
    assert {outcome.status for outcome in partial_stack.outcomes} == {"reduced"}


@pytest.mark.parametrize("in_process", [False, True])
def test_code_is_sent_with_chunks_to_other_processes_without_a_cache(
    chunk: Chunk, in_process: bool
) -> None:
    catalog = Plugins.load([]).catalog
    entry_cache = EntryCache.from_reduction(
        None, chunk.reduction, chunk.makers, catalog, in_process
    )
    assert bool(entry_cache.code) != in_process


def test_other_source_is_rejected(chunk: Chunk) -> None:
    with pytest.raises(
        EngineError, match=r"a worker has different source code .* restart the workers"
    ):
        reduce_chunk(attrs.evolve(chunk, code=("0" * 64,)))
