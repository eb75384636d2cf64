"""The tasks of estimators, distributed over the workers of an engine."""

from __future__ import annotations

import logging
import pickle
import tempfile
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import attrs

from skyred.errors import EngineError
from skyred.fields import Secret
from skyred.interfaces.tasks import Tasks
from skyred.io.exact_pickle import dump_exactly
from skyred.io.streaming import LOST_TASK_ERRORS, Workers, stream
from skyred.run.worker.shared_call import (
    CallResult,
    HiddenCall,
    SharedCall,
    describe_error,
    run_shared_call,
)

log = logging.getLogger(__name__)

SharedT = TypeVar("SharedT")
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# Tasks run in this process for as long as it takes to send data to the workers, and to start them
# if necessary, so that quick estimators do not become slower.
SECONDS_BEFORE_WORKERS = 0.5
SECONDS_BEFORE_NEW_WORKERS = 3.0
LOOK_AHEAD = 2  # tasks per worker that are submitted ahead
IMPORT_HINT = "define functions and classes in a module that workers can import"
DISK_HINT = "set TMPDIR to a folder with enough space"


@attrs.define(eq=False)
class EngineTasks(Tasks):
    """Runs tasks in this process at first, and the remaining ones on the workers of an engine.

    The results do not depend on where a task runs. If function, data, items or results cannot be
    pickled or written to a temporary file, the remaining tasks run in this process too, and the
    reason is logged.

    Parameters
    ----------
    workers : Workers
        The workers.
    slots : int
        Number of tasks that may run at once; if it is 1, all tasks run in this process.
    report : callable
        Called after each task, with the arguments `finished` and `total`, the numbers of finished
        tasks and of all tasks.
    secrets : tuple of Secret
        Secrets whose values are hidden in messages and errors of the tasks.
    """

    workers: Workers
    slots: int
    report: Callable[..., None] = lambda finished, total: None
    secrets: tuple[Secret, ...] = ()
    is_logged: bool = attrs.field(default=False, init=False)

    def map(
        self,
        function: Callable[[SharedT, ItemT], ResultT],
        shared: SharedT,
        items: Sequence[ItemT],
    ) -> list[ResultT]:
        """Call a function for each item; see `Tasks.map`.

        Parameters
        ----------
        function : callable
            Called as ``function(shared, item)``.
        shared : object
            The data that all tasks need.
        items : sequence
            One object for each task.

        Returns
        -------
        list
            The results, in the order of the items.

        Raises
        ------
        EngineError
            If a task repeatedly kills its worker, or no worker can be started.
        """
        if self.secrets:
            function = HiddenCall(function, self.secrets)
        results = list[ResultT]()
        for result in self._results(function, shared, items):
            results.append(result)
            self.report(finished=len(results), total=len(items))
        return results

    def _results(
        self, function: Callable[[Any, Any], Any], shared: Any, items: Sequence[Any]
    ) -> Iterator[Any]:
        start, remaining = time.perf_counter(), deque(items)
        while remaining:
            if len(remaining) > 1 and self._is_worthwhile(time.perf_counter() - start):
                break
            yield function(shared, remaining.popleft())
        try:
            for result in self._map_on_workers(function, shared, list(remaining)):
                remaining.popleft()
                yield result
        except _TransferError as error:
            self._log_transfer_error(error)
            while remaining:
                yield function(shared, remaining.popleft())

    def _log_transfer_error(self, error: Exception) -> None:
        """Log once per estimator that its tasks do not run on the workers."""
        if not self.is_logged:
            log.warning(
                "tasks run in the main process, because a worker cannot receive their data: %s",
                error,
            )
        self.is_logged = True

    def _is_worthwhile(self, seconds: float) -> bool:
        """Return whether to use the workers after some time in this process."""
        if self.slots == 1:
            return False
        is_running = self.workers.is_open
        return seconds >= (SECONDS_BEFORE_WORKERS if is_running else SECONDS_BEFORE_NEW_WORKERS)

    def _map_on_workers(
        self, function: Callable[[Any, Any], Any], shared: Any, items: Sequence[Any]
    ) -> Iterator[Any]:
        if not items:
            return
        with _write_temporary_file((function, shared)) as file:
            token = uuid.uuid4().hex
            calls = (
                SharedCall(token, number, _dump(item), file) for number, item in enumerate(items)
            )
            with _Retries(self.workers) as retries:
                results = stream(
                    self.workers,
                    run_shared_call,
                    calls,
                    self.slots * LOOK_AHEAD,
                    _raise_worker_died,
                    retries.start,
                )
                for number, result in enumerate(results):
                    yield _unpack(retries.result(number) if result.is_missing else result)


@attrs.define(eq=False)
class _Retries:
    """Retried calls, with the shared data, of workers that do not see the file.

    A worker keeps the data that it received, so later calls do not need them. The retries are
    cancelled at the end of the context.
    """

    workers: Workers
    data: bytes | None = None
    calls: dict[int, SharedCall] = attrs.field(factory=dict)
    futures: dict[int, Future[CallResult]] = attrs.field(factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for future in self.futures.values():
            future.cancel()

    def start(self, call: SharedCall, result: CallResult) -> None:
        """Submit a call again if the shared data are missing."""
        if result.is_missing:
            self.data = self.data or call.file.read_bytes()
            call = attrs.evolve(call, data=self.data)
            self.calls[call.number] = call
            self.futures[call.number] = self.workers.submit(run_shared_call, call)

    def result(self, number: int) -> CallResult:
        """Wait for the result of a call; repeat it alone if it is lost with its worker."""
        call, future = self.calls.pop(number), self.futures.pop(number)
        try:
            return future.result()
        except LOST_TASK_ERRORS:
            self.workers.restart_if_broken()
        try:
            return self.workers.attempt(run_shared_call, call)
        except LOST_TASK_ERRORS:
            return _raise_worker_died(call)


class _TransferError(Exception):
    """Raised if tasks cannot be sent to workers, or their results cannot be received.

    Parameters
    ----------
    error : Exception or str
        The reason.
    hint : str
        How to avoid it.
    """

    def __init__(self, error: Exception | str, hint: str = IMPORT_HINT) -> None:
        reason = describe_error(error) if isinstance(error, Exception) else error
        super().__init__(f"{reason}; {hint}")


class _WorkerTracebackError(Exception):
    """The cause of an error of a task: its traceback in the worker."""


def _dump(obj: object) -> bytes:
    try:
        return dump_exactly(obj)
    except Exception as error:  # classes may raise any error when they are pickled
        raise _TransferError(error) from error


@contextmanager
def _write_temporary_file(obj: object) -> Iterator[Path]:
    """Pickle an object to a file that is removed at the end of the context."""
    data = _dump(obj)
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="skyred-"))
            file = Path(folder, "shared.pickle")
            file.write_bytes(data)
        except OSError as error:
            raise _TransferError(error, DISK_HINT) from error
        del data  # which may be large
        yield file


def _unpack(result: CallResult) -> Any:
    """Return the value of a call, or raise its error; issue its messages in this process."""
    if result.unpicklable:
        raise _TransferError(result.unpicklable)
    for name, severity, message in result.log_messages:
        logging.getLogger(name).log(severity, "%s", message)
    for warning in result.warnings:
        warnings.warn(warning, stacklevel=4)
    if result.error is not None:
        raise result.error from _WorkerTracebackError(f"\n{result.traceback}")
    try:
        return pickle.loads(result.value)
    except Exception as error:  # classes may raise any error when they are unpickled
        raise _TransferError(error) from error


def _raise_worker_died(call: SharedCall) -> CallResult:
    raise EngineError(
        "the worker died each time while it ran a task of the estimator: out of memory? try fewer "
        "workers, or the engine serial"
    )
