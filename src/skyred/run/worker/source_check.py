"""Source check: what makes a chunk is the source that was meant, wherever it is made."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from skyred.errors import EngineError
from skyred.interfaces import Fields
from skyred.run.cache import NoCacheError, code_of, links

if TYPE_CHECKING:
    from skyred.run.worker.chunk import Chunk


def require_same_code(chunk: Chunk) -> None:
    """Compare source and versions here with those of the process that asks for the chunk.

    Workers may be older than a change of the source, or younger.

    Raises
    ------
    EngineError
        If they differ.
    """
    if not chunk.code:
        return
    classes = frozenset(type(each) for each in links(chunk.reduction, chunk.makers))
    try:
        same = _code_here(classes) == chunk.code
    except NoCacheError:
        same = False
    if not same:
        raise EngineError(
            "a worker has other source of skyred or of a plugin, or other versions of what they "
            "stand on, than the process that sends the work; start the workers anew, and run again"
        )


@functools.cache
def _code_here(classes: frozenset[type[Fields]]) -> tuple[str, ...]:
    # once: what was imported does not change, whatever becomes of the files
    return code_of(classes)
