"""The interface of engines that run chunks and tasks, and helpers to start workers."""

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
    """Opens an executor, in which observations are reduced and tasks of estimators run.

    Parameters
    ----------
    **fields : object
        The options, which subclasses declare.
    """

    role: ClassVar[str] = "engine"
    #: Maximum number of tasks that run at the same time.
    slots: int = 1
    #: Whether tasks run in this process, with the source code that it has imported.
    in_process: bool = False

    @abstractmethod
    def open(self) -> Executor:
        """Open an executor.

        Returns
        -------
        Executor
            The executor, to be used as a context manager.
        """


def cores() -> int:
    """Return the number of cores that this process may use.

    Returns
    -------
    int
        The number of cores; it may be smaller than the number of cores of the machine.
    """
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not available on macOS
        return os.cpu_count() or 1


@contextmanager
def block_interrupts() -> Iterator[None]:
    """Block interrupts (Ctrl-C) for processes and threads that are started in this context.

    Ctrl-C interrupts all processes that run in a terminal, but only the parent process should
    handle it.

    Yields
    ------
    None
        Interrupts are blocked inside the context.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    original_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, original_mask)
