"""The garbage collector, which is paused during imports."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pause_collection() -> Iterator[None]:
    """Pause the garbage collector, for code that imports slow modules, at the start of a process.

    gammapy and its dependencies create several 100,000 objects, which exist until the process ends.
    The collector would visit them repeatedly, which takes a fifth of the time of the imports. After
    the first pause in a process, existing objects are ignored by the collector from then on, also
    when the process exits. Objects that are not part of a reference cycle are freed as always.
    """
    if not gc.isenabled():  # paused by the caller
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # garbage that is frozen is never freed: do it only once
            gc.freeze()
        gc.enable()
