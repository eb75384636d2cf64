"""Work streamed through an executor: in order, a bounded look-ahead, and workers that may die."""

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
#: What a future says whose work was lost, and not done wrong: its worker died, or all of them.
LOST = (BrokenExecutor, CancelledError)
PATIENCE = 1.0  # seconds until futures are looked at again: one that is cancelled wakes nobody


class Workers:
    """An executor that is opened anew when its workers died; a context manager.

    Parameters
    ----------
    open_executor : callable
        Gives an executor: the `open` of an engine.
    """

    def __init__(self, open_executor: Callable[[], Executor]) -> None:
        self._open = open_executor
        self._executor: Executor

    def __enter__(self) -> Self:
        self._executor = self._open().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.__exit__(kind, error, trace)

    def submit(self, work: Callable[..., R], /, *args: Any) -> Future[R]:
        """Start a piece of work; if the workers are dead already, its future says so."""
        try:
            return self._executor.submit(work, *args)
        except BrokenExecutor as error:
            future: Future[R] = Future()
            future.set_exception(error)
            return future

    def attempt(self, work: Callable[..., R], /, *args: Any) -> R:
        """Do one piece of work and wait for it.

        Raises
        ------
        concurrent.futures.BrokenExecutor, concurrent.futures.CancelledError
            If it is lost with its worker; others stand ready then.
        """
        try:
            return self.submit(work, *args).result()
        except LOST:
            self.mend()
            raise

    def mend(self) -> bool:
        """Open a new executor if this one takes no work; gives whether it did.

        Raises
        ------
        EngineError
            If the workers of the new one die too, with nothing to do.
        """
        try:
            self._executor.submit(_nothing).cancel()
        except BrokenExecutor as error:
            log.warning("a worker died: %s; starting others", error)
        else:
            return False
        self._executor.__exit__(None, None, None)  # after this none of its futures is open
        self._executor = self._open().__enter__()
        try:
            self._executor.submit(_nothing).result()
        except LOST as error:
            raise EngineError(
                f"workers cannot be started: {error}; in a script, put what runs the pipeline "
                "below if __name__ == '__main__': (each worker imports the script)"
            ) from error
        return True


def stream(
    workers: Workers,
    work: Callable[[T], R],
    items: Iterable[T],
    ahead: int = 4,
    rescue: Callable[[T], R] | None = None,
    finished: Callable[[T, R], None] | None = None,
) -> Iterator[R]:
    """Yield ``work(item)`` for each item, in the order of the items.

    At most `ahead` items are under way or finished and not yet taken, so memory does not grow
    with their number. When the caller stops early, what has not started is cancelled.

    What was under way when a worker died is done again: first together, then, if it is lost a
    second time, each item with nothing beside it. So it is known which item kills its worker.

    Parameters
    ----------
    workers : Workers
        Where the work runs.
    work : callable
        Called with one item.
    items : iterable
        What to work on; read no further ahead than needed.
    ahead : int
        The look-ahead, at least 1.
    rescue : callable, optional
        Called here, with an item that killed its worker when it was alone; gives what to yield for
        it. Without it, the error of the executor is raised.
    finished : callable, optional
        Called here, with an item and its result, as soon as that is known: it may be long before
        its turn.

    Raises
    ------
    EngineError
        If the workers cannot be started again.
    """
    waiting = iter(items)
    streamed = _Stream(workers, work, rescue, finished)
    streamed.start(islice(waiting, max(ahead, 1)))
    try:
        while streamed.pending:
            result = streamed.take()
            streamed.start(islice(waiting, 1))
            yield result
    finally:
        for piece in streamed.pending:
            piece.future.cancel()


@attrs.define(eq=False)
class _Piece(Generic[T, R]):
    """One item on its way, and how often it was lost."""

    item: T
    future: Future[R]
    losses: int = 0
    told: bool = False

    @property
    def succeeded(self) -> bool:
        future = self.future
        return future.done() and not future.cancelled() and future.exception() is None

    @property
    def lost(self) -> bool:
        if self.future.cancelled():
            return True
        return self.future.done() and isinstance(self.future.exception(), LOST)


@attrs.define(eq=False)
class _Stream(Generic[T, R]):
    """The items under way, in order."""

    workers: Workers
    work: Callable[[T], R]
    rescue: Callable[[T], R] | None
    finished: Callable[[T, R], None] | None
    pending: deque[_Piece[T, R]] = attrs.field(factory=deque)

    def start(self, items: Iterable[T]) -> None:
        for item in items:
            self.pending.append(_Piece(item, self.workers.submit(self.work, item)))
            self._tell()

    def take(self) -> R:
        """Wait for the first item's result; what is lost meanwhile is started again."""
        first = self.pending[0]
        while not first.succeeded:
            open_ones = [piece.future for piece in self.pending if not piece.future.done()]
            if not first.future.done():
                wait(open_ones, timeout=PATIENCE, return_when=FIRST_COMPLETED)
            elif first.lost:
                self._recover()
            else:
                break  # the work's own error
            self._tell()
        return self.pending.popleft().future.result()

    def _tell(self) -> None:
        for piece in self.pending:
            if self.finished is not None and not piece.told and piece.succeeded:
                piece.told = True
                self.finished(piece.item, piece.future.result())

    def _recover(self) -> None:
        anew = self.workers.mend()
        lost = [piece for piece in self.pending if piece.lost]
        for piece in lost:
            piece.losses += 1
        if anew and all(piece.losses == 1 for piece in lost):
            for piece in lost:  # nobody knows which one it was, or whether it was one of them
                piece.future = self.workers.submit(self.work, piece.item)
        else:
            for piece in lost:
                self._again_alone(piece)

    def _again_alone(self, piece: _Piece[T, R]) -> None:
        wait([other.future for other in self.pending if not other.future.done()])
        done: Future[R] = Future()
        try:
            done.set_result(self.workers.attempt(self.work, piece.item))
        except LOST:
            if self.rescue is None:
                raise
            done.set_result(self.rescue(piece.item))
        except Exception as error:  # the work's own: it is raised when it is this item's turn
            done.set_exception(error)
        piece.future = done


def _nothing() -> None:
    """Do nothing: whoever can do that is alive."""
