"""The engine: where the work runs; and what engines that start workers share."""

from __future__ import annotations

import os
import signal
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import ClassVar

from skyred.interfaces.component import Component


class Engine(Component):
    """Opens an executor that makes chunks of observations."""

    role: ClassVar[str] = "engine"
    #: How many pieces of work may run at once.
    slots: int = 1

    @abstractmethod
    def open(self) -> Executor:
        """Give an executor, to be used as a context manager."""


def cores() -> int:
    """Give how many cores this process may use, which can be fewer than there are."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # no such call on macOS
        return os.cpu_count() or 1


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: what starts meanwhile, process or thread, never gets one.

    It reaches every process of a terminal, and only the parent is to answer it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
