"""Waiting for events with a limit against hangs, independent of the speed of the machine."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# in seconds; no test takes nearly as long, even on a busy machine
LIMIT = 300


def wait_for(condition: Callable[[], object], limit: float = LIMIT) -> None:
    """Wait until a condition is true.

    Parameters
    ----------
    condition : callable
        Called repeatedly without arguments.
    limit : float
        Seconds after which to give up.

    Raises
    ------
    AssertionError
        If the condition is still false after the limit.
    """
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"still waiting after {limit} s"
        time.sleep(0.02)


@contextmanager
def hang_guard(limit: int = LIMIT) -> Iterator[None]:
    """Raise `TimeoutError` in a block that takes longer than a limit.

    Parameters
    ----------
    limit : int
        Seconds after which to give up.
    """

    def give_up(*_: Any) -> None:
        raise TimeoutError(f"still not done after {limit} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
