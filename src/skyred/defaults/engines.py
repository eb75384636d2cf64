"""The engines `serial` and `processes`."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import Any

from skyred.fields import option
from skyred.hookspecs import hookimpl
from skyred.interfaces import Component, Engine, component

# One thread each: workers that share cores must not start as many threads as there are cores.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


class InlineExecutor(Executor):
    """Runs work at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it and give a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@component
class Serial(Engine):
    """One piece of work after the other, in this process."""

    kind = "serial"

    def open(self) -> Executor:
        """Give an executor that works at once."""
        return InlineExecutor()


class _Pool(ProcessPoolExecutor):
    """A pool whose workers are started with one BLAS thread each, whatever the parent has."""

    def __init__(self, workers: int) -> None:
        # spawned, not forked: a fork copies locks that other threads hold
        context = multiprocessing.get_context("spawn")
        super().__init__(workers, mp_context=context, initializer=_leave_interrupts)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        before = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(ONE_THREAD)  # a worker reads them when it starts: on submission
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _leave_interrupts() -> None:
    # Ctrl-C reaches every process of a terminal; only the parent is to answer it
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@component
class Processes(Engine):
    """Several processes on this machine."""

    kind = "processes"
    workers: int | None = option(
        None, type=int, min=1, doc="How many processes; by default one for each core."
    )

    @property
    def slots(self) -> int:  # type: ignore[override]
        """How many pieces of work may run at once."""
        return self.workers or _cores()

    def open(self) -> Executor:
        """Give a pool of processes; they start with the first work."""
        return _Pool(self.slots)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))  # what this process may use, not what there is
    except AttributeError:  # no such call on macOS
        return os.cpu_count() or 1


@hookimpl
def skyred_components() -> list[type[Component]]:
    """Offer the engines."""
    return [Serial, Processes]
