"""The tasks of estimators, distributed over the workers of an engine."""

from __future__ import annotations

import pickle
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from skyred.errors import EngineError
from skyred.interfaces.tasks import Tasks
from skyred.io.exact_pickle import dump_exactly
from skyred.io.streaming import Workers, stream
from skyred.run.worker.shared_call import CallResult, SharedCall, run_shared_call

SharedT = TypeVar("SharedT")
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# Tasks run in this process for as long as it takes to send data to the workers, and to start them
# if necessary, so that quick estimators do not become slower.
SECONDS_BEFORE_WORKERS = 0.5
SECONDS_BEFORE_NEW_WORKERS = 3.0
LOOK_AHEAD = 2  # tasks per worker that are submitted ahead


@attrs.define(eq=False)
class EngineTasks(Tasks):
    """Runs tasks in this process at first, and the remaining ones on the workers of an engine.

    The results do not depend on where a task runs.

    Parameters
    ----------
    workers : Workers
        The workers.
    slots : int
        Number of tasks that may run at once; if it is 1, all tasks run in this process.
    report : callable
        Called after each task, with the arguments `finished` and `total`, the numbers of finished
        tasks and of all tasks.
    """

    workers: Workers
    slots: int
    report: Callable[..., None] = lambda finished, total: None

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
        start, results = time.perf_counter(), list[ResultT]()
        for item in items:
            n_remaining = len(items) - len(results)
            if n_remaining > 1 and self._is_worthwhile(time.perf_counter() - start):
                break
            results.append(function(shared, item))
            self.report(finished=len(results), total=len(items))
        if len(results) < len(items):
            for result in self._map_on_workers(function, shared, items[len(results) :]):
                results.append(result)
                self.report(finished=len(results), total=len(items))
        return results

    def _is_worthwhile(self, seconds: float) -> bool:
        """Return whether to use the workers after some time in this process."""
        if self.slots == 1:
            return False
        is_running = self.workers.is_open
        return seconds >= (SECONDS_BEFORE_WORKERS if is_running else SECONDS_BEFORE_NEW_WORKERS)

    def _map_on_workers(
        self, function: Callable[[Any, Any], Any], shared: Any, items: Sequence[Any]
    ) -> Iterator[Any]:
        with tempfile.TemporaryDirectory(prefix="skyred-") as folder:
            data, file = dump_exactly((function, shared)), Path(folder, "shared.pickle")
            file.write_bytes(data)
            calls = _SharedCalls(uuid.uuid4().hex, file)
            results = stream(
                self.workers,
                run_shared_call,
                calls.of(items),
                self.slots * LOOK_AHEAD,
                _raise_worker_died,
            )
            for call, result in zip(calls.of(items), results, strict=True):
                if not result.value:  # this worker does not see the file, and others may not
                    calls.data = data
                    result = self.workers.attempt(run_shared_call, attrs.evolve(call, data=data))
                yield _unpack(result)


@attrs.define(eq=False)
class _SharedCalls:
    """Calls with the same shared data, which are attached to them once `data` is set."""

    token: str
    file: Path
    data: bytes | None = None

    def of(self, items: Sequence[Any]) -> Iterator[SharedCall]:
        for item in items:
            yield SharedCall(self.token, item, self.file, self.data)


def _unpack(result: CallResult) -> Any:
    """Return the value of a call, and issue its warnings in this process."""
    for warning in result.warnings:
        warnings.warn(warning, stacklevel=4)
    return pickle.loads(result.value)


def _raise_worker_died(call: SharedCall) -> CallResult:
    raise EngineError(
        "the worker died each time while it ran a task of the estimator: out of memory? try fewer "
        "workers, or the engine serial"
    )
