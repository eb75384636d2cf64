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
from skyred.interfaces.engine import block_interrupts, cores

log = logging.getLogger(__name__)

# One BLAS thread per worker, so that the workers together do not start more threads than cores.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


class InlineExecutor(Executor):
    """An executor that runs each task immediately, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a task and return a finished future.

        Parameters
        ----------
        fn : callable
            The task.
        *args : object
            The positional arguments of the task.
        **kwargs : object
            The keyword arguments of the task.

        Returns
        -------
        concurrent.futures.Future
            The future, with the result or the exception of the task.
        """
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@component
class Serial(Engine):
    """One task after the other, in this process."""

    kind = "serial"
    in_process = True

    def open(self) -> Executor:
        """Return an executor that runs each task immediately.

        Returns
        -------
        concurrent.futures.Executor
            The executor, to be used as a context manager.
        """
        return InlineExecutor()


class _RecordingSpawnContext(SpawnContext):
    """A context that spawns worker processes, and records them to report their exit codes.

    Workers are not forked: a fork copies locks that other threads hold.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        self.processes.append(SpawnProcess(*args, **kwargs))
        return self.processes[-1]


class _Pool(ProcessPoolExecutor):
    """A process pool with one BLAS thread per worker, all terminated after an exception."""

    def __init__(self, workers: int) -> None:
        self._context = _RecordingSpawnContext()
        super().__init__(workers, mp_context=self._context, initializer=_initialise_worker)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with _environment(ONE_THREAD), block_interrupts():  # workers start on submission
            return super().submit(fn, *args, **kwargs)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if exc_type is not None:  # the results are no longer needed
            self.shutdown(wait=False, cancel_futures=True)
            for process in self._context.processes:
                process.terminate()
        super().__exit__(exc_type, exc_value, traceback)
        for process in self._context.processes:
            if exc_type is None and process.exitcode not in _EXPECTED_EXIT_CODES:
                log.warning(
                    "worker %s ended with %s", process.pid, _describe_exit(process.exitcode)
                )


_EXPECTED_EXIT_CODES = (0, -signal.SIGTERM, None)


def _describe_exit(code: int | None) -> str:
    """Describe the exit code of a worker for the log."""
    if code is None or code >= 0:
        return f"exit code {code}"
    memory = ", perhaps because it ran out of memory" if code == -signal.SIGKILL else ""
    return f"signal {-code} ({signal.Signals(-code).name}){memory}"


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the duration of the context."""
    previous_values = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, previous_value in previous_values.items():
            if previous_value is None:
                del os.environ[name]
            else:
                os.environ[name] = previous_value


def _initialise_worker() -> None:
    """Initialise a worker process: ignore Ctrl-C, and exit with the parent."""
    # needed on systems where `block_interrupts` cannot block the signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit as soon as the parent process ends, since a killed parent cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@component
class Processes(Engine):
    """Several processes on this machine."""

    kind = "processes"
    workers: int | None = option(
        None, type=int, min=1, doc="Number of processes; by default one per core."
    )

    @property
    def slots(self) -> int:  # type: ignore[override]
        """The number of tasks that may run at once."""
        return self.workers or cores()

    def open(self) -> Executor:
        """Create a process pool; the workers start with the first task.

        Returns
        -------
        concurrent.futures.Executor
            The executor, to be used as a context manager.
        """
        return _Pool(self.slots)


@hookimpl
def skyred_components() -> list[type[Component]]:
    """List the engines.

    Returns
    -------
    list of type
        The component classes.
    """
    return [Serial, Processes]
