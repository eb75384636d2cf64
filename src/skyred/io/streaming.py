"""Streaming of tasks through an executor, in order, with a limited look-ahead and recovery."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from itertools import islice
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import attrs

from skyred.errors import EngineError

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger(__name__)
#: Errors of futures whose task was lost because a worker died.
LOST_TASK_ERRORS = (BrokenExecutor, CancelledError)
POLL_INTERVAL = 1.0  # seconds; wait() does not return when a future is cancelled


class Workers:
    """An executor that is replaced when its workers die; a context manager.

    The executor is opened with the first task, and closed at the end of the outermost context.

    Parameters
    ----------
    open_executor : callable
        Returns an executor, like the method `open` of an engine.
    """

    def __init__(self, open_executor: Callable[[], Executor]) -> None:
        self._open = open_executor
        self._opened: Executor | None = None
        self._depth = 0

    def __enter__(self) -> Self:
        self._depth += 1
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth == 0 and self._opened is not None:
            executor, self._opened = self._opened, None
            executor.__exit__(exception_type, exception, traceback)

    @property
    def is_open(self) -> bool:
        """Whether the executor has been opened."""
        return self._opened is not None

    @property
    def _executor(self) -> Executor:
        if self._opened is None:
            self._opened = self._open().__enter__()
        return self._opened

    def submit(self, work: Callable[..., R], /, *args: Any) -> Future[R]:
        """Submit a task; if the workers are already dead, the future has the error.

        Parameters
        ----------
        work : callable
            The function.
        *args : object
            The arguments of the function.

        Returns
        -------
        Future
            The future of the result.
        """
        try:
            return self._executor.submit(work, *args)
        except BrokenExecutor as error:
            future: Future[R] = Future()
            future.set_exception(error)
            return future

    def attempt(self, work: Callable[..., R], /, *args: Any) -> R:
        """Run one task and wait for its result.

        Parameters
        ----------
        work : callable
            The function.
        *args : object
            The arguments of the function.

        Returns
        -------
        object
            The result.

        Raises
        ------
        concurrent.futures.BrokenExecutor, concurrent.futures.CancelledError
            If the task is lost with its worker; broken workers have then been replaced.
        """
        try:
            return self.submit(work, *args).result()
        except LOST_TASK_ERRORS:
            self.restart_if_broken()
            raise

    def restart_if_broken(self) -> bool:
        """Open a new executor if the current one is broken.

        Returns
        -------
        bool
            Whether a new executor was opened.

        Raises
        ------
        EngineError
            If the new workers die as well.
        """
        try:
            self._executor.submit(_do_nothing).cancel()
        except BrokenExecutor as error:
            log.warning("a worker died: %s; restarting the workers", error)
        else:
            return False
        self._executor.__exit__(None, None, None)  # completes all of its futures
        self._opened = self._open().__enter__()
        try:
            self._executor.submit(_do_nothing).result()
        except LOST_TASK_ERRORS as error:
            raise EngineError(
                f"workers cannot be started: {error}; in a script, put the code that runs the "
                "pipeline below if __name__ == '__main__': (each worker imports the script)"
            ) from error
        return True


def stream(
    workers: Workers,
    work: Callable[[T], R],
    items: Iterable[T],
    ahead: int = 4,
    recover: Callable[[T], R] | None = None,
    on_result: Callable[[T, R], None] | None = None,
) -> Iterator[R]:
    """Yield ``work(item)`` for each item, in the order of the items.

    At most `ahead` tasks are running or have results that are not yet consumed, so memory does not
    grow with the number of items. When the caller stops early, tasks that have not started are
    cancelled.

    Tasks that are lost because a worker died are repeated together, and one at a time if they are
    lost again. This identifies the item that kills its worker.

    Parameters
    ----------
    workers : Workers
        The workers.
    work : callable
        The function, called with one item in a worker.
    items : iterable
        The items, read only as far ahead as needed.
    ahead : int
        The number of items to submit ahead, at least 1.
    recover : callable, optional
        Called in this process with an item that killed its worker when it ran alone; returns the
        result of the item. By default, the error of the executor is raised.
    on_result : callable, optional
        Called in this process with each item and its result as soon as the result is known,
        possibly long before it is yielded.

    Yields
    ------
    object
        The result for each item.

    Raises
    ------
    EngineError
        If the workers cannot be started again.
    """
    remaining = iter(items)
    task_stream = _Stream(workers, work, recover, on_result)
    task_stream.start(islice(remaining, max(ahead, 1)))
    try:
        while task_stream.pending:
            result = task_stream.next_result()
            task_stream.start(islice(remaining, 1))
            yield result
    finally:
        for task in task_stream.pending:
            task.future.cancel()


@attrs.define(eq=False)
class _Task(Generic[T, R]):
    """One item, its future, how often its task was lost, and whether its result was reported."""

    item: T
    future: Future[R]
    losses: int = 0
    is_reported: bool = False

    @property
    def has_result(self) -> bool:
        future = self.future
        return future.done() and not future.cancelled() and future.exception() is None

    @property
    def is_lost(self) -> bool:
        if self.future.cancelled():
            return True
        return self.future.done() and isinstance(self.future.exception(), LOST_TASK_ERRORS)


@attrs.define(eq=False)
class _Stream(Generic[T, R]):
    """The tasks that were submitted and not yet yielded, in order."""

    workers: Workers
    work: Callable[[T], R]
    recover: Callable[[T], R] | None
    on_result: Callable[[T, R], None] | None
    pending: deque[_Task[T, R]] = attrs.field(factory=deque)

    def start(self, items: Iterable[T]) -> None:
        for item in items:
            self.pending.append(_Task(item, self.workers.submit(self.work, item)))
            self._report_results()

    def next_result(self) -> R:
        """Wait for the result of the first task; repeat tasks that are lost while waiting."""
        first_task = self.pending[0]
        while not first_task.has_result:
            running = [task.future for task in self.pending if not task.future.done()]
            if not first_task.future.done():
                wait(running, timeout=POLL_INTERVAL, return_when=FIRST_COMPLETED)
            elif first_task.is_lost:
                self._repeat_lost_tasks()
            else:
                break  # an error of the work itself
            self._report_results()
        self._report_results()  # the first task may have ended before the loop
        return self.pending.popleft().future.result()

    def _report_results(self) -> None:
        for task in self.pending:
            if self.on_result is not None and not task.is_reported and task.has_result:
                task.is_reported = True
                self.on_result(task.item, task.future.result())

    def _repeat_lost_tasks(self) -> None:
        is_restarted = self.workers.restart_if_broken()
        lost_tasks = [task for task in self.pending if task.is_lost]
        for task in lost_tasks:
            task.losses += 1
        if is_restarted and all(task.losses == 1 for task in lost_tasks):
            for task in lost_tasks:  # any of them, or none, may have killed the worker
                task.future = self.workers.submit(self.work, task.item)
        else:
            for task in lost_tasks:
                self._repeat_alone(task)

    def _repeat_alone(self, task: _Task[T, R]) -> None:
        wait([task.future for task in self.pending if not task.future.done()])
        future: Future[R] = Future()
        try:
            future.set_result(self.workers.attempt(self.work, task.item))
        except LOST_TASK_ERRORS:
            if self.recover is None:
                raise
            future.set_result(self.recover(task.item))
        except Exception as error:  # of the work itself; raised when the result of the item is due
            future.set_exception(error)
        task.future = future


def _do_nothing() -> None:
    """Do nothing, to test whether a worker is alive."""
