"""The engines `serial` and `processes`."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from skyred.fields import option
from skyred.hookspecs import hookimpl
from skyred.interfaces import Component, Engine, component
from skyred.interfaces.engine import cores, interrupts_held

log = logging.getLogger(__name__)

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


class _Spawn(SpawnContext):
    """Starts workers afresh, and remembers them: how they ended is known to nobody else.

    They are not forked: a fork copies locks that other threads hold.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        self.started.append(SpawnProcess(*args, **kwargs))
        return self.started[-1]


class _Pool(ProcessPoolExecutor):
    """A pool whose workers have one BLAS thread each, and end with it, whatever ends it."""

    def __init__(self, workers: int) -> None:
        self._spawn = _Spawn()
        super().__init__(workers, mp_context=self._spawn, initializer=_begin)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with _environment(ONE_THREAD), interrupts_held():  # workers start on submission
            return super().submit(fn, *args, **kwargs)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:  # nobody wants what they are doing any more
            self.shutdown(wait=False, cancel_futures=True)
            for process in self._spawn.started:
                process.terminate()
        super().__exit__(kind, error, trace)
        for process in self._spawn.started:
            if kind is None and process.exitcode not in _TOLD_TO_END:
                log.warning("worker %s ended with %s", process.pid, _ending(process.exitcode))


_TOLD_TO_END = (0, -signal.SIGTERM, None)


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    memory = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
    return f"signal {-code} ({signal.Signals(-code).name}){memory}"


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, held in before.items():
            if held is None:
                del os.environ[name]
            else:
                os.environ[name] = held


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it cannot be held back
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End at once when the parent is gone: a killed one could not say so."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


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
        return self.workers or cores()

    def open(self) -> Executor:
        """Give a pool of processes; they start with the first work."""
        return _Pool(self.slots)


@hookimpl
def skyred_components() -> list[type[Component]]:
    """Offer the engines."""
    return [Serial, Processes]
