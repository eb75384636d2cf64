"""Check that a worker has the same source code as the main process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from skyred.errors import EngineError
from skyred.interfaces import Fields
from skyred.run.cache import NoCacheError, reduction_components, source_versions

if TYPE_CHECKING:
    from skyred.run.worker.chunk import Chunk


def require_same_code(chunk: Chunk) -> None:
    """Check that this process has the source code and versions of the process that sent a chunk.

    The source code may have changed since a worker was started.

    Parameters
    ----------
    chunk : Chunk
        The chunk.

    Raises
    ------
    EngineError
        If the source code or the versions differ.
    """
    if not chunk.code:
        return
    classes = frozenset(
        type(component) for component in reduction_components(chunk.reduction, chunk.makers)
    )
    try:
        is_same = _local_code(classes) == chunk.code
    except NoCacheError:
        is_same = False
    if not is_same:
        raise EngineError(
            "a worker has different source code for skyred or for a plugin, or different versions "
            "of their dependencies; restart the workers and repeat the analysis"
        )


@functools.cache
def _local_code(classes: frozenset[type[Fields]]) -> tuple[str, ...]:
    # computed once, because the imported code does not change, even if the files do
    return source_versions(classes)
