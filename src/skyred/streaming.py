"""Work streamed through an executor: in order, with a bounded look-ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def stream(
    executor: Executor, work: Callable[[T], R], items: Iterable[T], ahead: int = 4
) -> Iterator[R]:
    """Yield ``work(item)`` for each item, in the order of the items.

    At most `ahead` items are under way or finished and not yet taken, so memory does not grow
    with their number. When the caller stops early, what has not started is cancelled.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Where the work runs.
    work : callable
        Called with one item.
    items : iterable
        What to work on; read no further ahead than needed.
    ahead : int
        The look-ahead, at least 1.
    """
    waiting = iter(items)
    pending: deque[Future[R]] = deque(
        executor.submit(work, item) for item in islice(waiting, max(ahead, 1))
    )
    try:
        while pending:
            result = pending.popleft().result()
            pending.extend(executor.submit(work, item) for item in islice(waiting, 1))
            yield result
    finally:
        for future in pending:
            future.cancel()
