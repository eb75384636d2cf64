"""Streams keep the order, limit the look-ahead, cancel tasks, and recover from killed workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, strategies as st

from skyred.components.engines import InlineExecutor
from skyred.errors import EngineError
from skyred.io.streaming import Workers, stream
from waiting import LIMIT


class LazyExecutor(Executor):
    """An executor that runs tasks when their results are requested, and records them."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.result = lambda timeout=None: fn(*args, **kwargs)  # type: ignore[method-assign]
        future.done = lambda: True  # type: ignore[method-assign]
        future.exception = lambda timeout=None: None  # type: ignore[method-assign]
        self.futures.append(future)
        return future


def create_workers(executor: Executor) -> Workers:
    return Workers(lambda: executor)


@given(st.lists(st.integers()), st.integers(-1, 5), st.integers(1, 3))
def test_results_are_in_the_order_of_the_items(items: list[int], ahead: int, workers: int) -> None:
    with create_workers(ThreadPoolExecutor(workers)) as pool:
        assert list(stream(pool, str, items, ahead)) == [str(item) for item in items]


def test_slow_first_item_is_returned_first() -> None:
    last_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert last_is_done.wait(LIMIT)
        elif item == 2:
            last_is_done.set()
        return item

    with create_workers(ThreadPoolExecutor(3)) as pool:
        assert list(stream(pool, work, range(3), 3)) == [0, 1, 2]


def test_finished_items_are_reported_immediately() -> None:
    reported: list[str] = []
    first_may_end = threading.Event()

    def work(item: str) -> str:
        if item == "first":
            assert first_may_end.wait(LIMIT)
        return item.upper()

    def finished(item: str, result: str) -> None:
        reported.append(f"{item} {result}")
        first_may_end.set()

    with create_workers(ThreadPoolExecutor(2)) as pool:
        results = list(stream(pool, work, ["first", "second", "third"], 3, on_result=finished))
    assert results == ["FIRST", "SECOND", "THIRD"]
    assert sorted(reported) == ["first FIRST", "second SECOND", "third THIRD"]
    assert reported[0] != "first FIRST"


def test_items_that_end_while_the_caller_uses_a_result_are_reported() -> None:
    reported: list[int] = []
    second_may_end = threading.Event()

    def work(item: int) -> int:
        assert item == 0 or second_may_end.wait(LIMIT)
        return item

    executor = ThreadPoolExecutor(2)
    with create_workers(executor) as pool:
        results = stream(pool, work, range(2), 2, on_result=lambda item, _: reported.append(item))
        assert next(results) == 0
        second_may_end.set()
        executor.shutdown()  # waits for the second item
        assert next(results) == 1
    assert reported == [0, 1]


@given(st.integers(0, 12), st.integers(1, 5))
def test_number_of_submitted_items_is_limited(count: int, ahead: int) -> None:
    submitted_items: list[int] = []

    def items() -> Iterator[int]:
        for number in range(count):
            submitted_items.append(number)
            yield number

    executor, n_received = LazyExecutor(), 0
    with create_workers(executor) as pool:
        for result in stream(pool, lambda item: item, items(), ahead):
            n_received += 1
            assert result == n_received - 1
            assert len(submitted_items) == len(executor.futures) <= n_received + ahead
    assert n_received == count


def test_pending_items_are_cancelled_if_the_caller_stops() -> None:
    executor = LazyExecutor()
    with create_workers(executor) as pool:
        results = stream(pool, lambda item: item, range(10), 3)
        assert next(results) == 0
        results.close()
    assert [future.cancelled() for future in executor.futures] == [False, True, True, True]


def test_error_ends_the_stream_and_cancels_pending_items() -> None:
    executor = LazyExecutor()
    with create_workers(executor) as pool, pytest.raises(ZeroDivisionError):
        list(stream(pool, lambda item: 1 / item, [1, 0, 2, 3], 3))
    assert [future.cancelled() for future in executor.futures] == [False, False, True, True]


def test_interrupt_of_inline_work_is_raised() -> None:
    def interrupt(item: int) -> None:
        raise KeyboardInterrupt

    with create_workers(InlineExecutor()) as pool, pytest.raises(KeyboardInterrupt):
        list(stream(pool, interrupt, [1]))


class UnreliableExecutor(Executor):
    """An executor with one thread, whose worker is killed by some items.

    Parameters
    ----------
    kills : dict
        Number of kills by each item.
    alone : bool
        Whether only the task of the item is lost, as on a cluster, instead of all, as in a pool.
    """

    def __init__(self, kills: dict[int, int], alone: bool) -> None:
        self.kills, self.alone, self.is_broken = kills, alone, False
        self.thread = ThreadPoolExecutor(1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.is_broken:
            raise BrokenExecutor("the executor is broken")
        return self.thread.submit(self.work, fn, *args)

    def work(self, fn: Callable[..., Any], *args: Any) -> Any:
        if args and self.kills.get(args[0], 0) > 0:
            self.kills[args[0]] -= 1
            self.is_broken = not self.alone
            raise BrokenExecutor("a worker died")
        if self.is_broken:
            raise BrokenExecutor("a worker died")
        return fn(*args)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.thread.shutdown(wait, cancel_futures=cancel_futures)


@given(
    st.integers(0, 8),
    st.integers(1, 5),
    st.dictionaries(st.integers(0, 7), st.integers(1, 4), max_size=3),
    st.booleans(),
)
def test_results_are_complete_and_in_order_despite_killed_workers(
    count: int, ahead: int, kills: dict[int, int], alone: bool
) -> None:
    remaining_kills, rescued_items = dict(kills), list[int]()

    def rescue(item: int) -> str:
        rescued_items.append(item)
        return f"rescued {item}"

    with Workers(lambda: UnreliableExecutor(remaining_kills, alone)) as pool:
        results = list(stream(pool, str, range(count), ahead, rescue))
    assert results == [
        f"rescued {item}" if item in rescued_items else str(item) for item in range(count)
    ]
    # only items that killed a worker at least twice, the last time alone, are rescued
    assert all(kills.get(item, 0) >= 2 for item in rescued_items)
    assert len(rescued_items) == len(set(rescued_items))
    assert {item for item in kills if item < count and kills[item] >= 3} <= set(rescued_items)


def test_error_of_the_work_is_raised_after_a_killed_worker() -> None:
    with (
        Workers(lambda: UnreliableExecutor({0: 2}, False)) as pool,
        pytest.raises(ZeroDivisionError),
    ):
        list(stream(pool, lambda item: 1 / (item - 1), range(3), 3, float))


def test_error_of_the_executor_is_raised_without_rescue() -> None:
    with Workers(lambda: UnreliableExecutor({1: 9}, False)) as pool, pytest.raises(BrokenExecutor):
        list(stream(pool, str, range(3), 3))


def test_workers_that_cannot_start_are_reported_with_a_hint() -> None:
    class BrokenAtStart(UnreliableExecutor):
        def work(self, fn: Callable[..., Any], *args: Any) -> Any:
            self.is_broken = True
            raise BrokenExecutor("no start")

    with (
        Workers(lambda: BrokenAtStart({}, False)) as pool,
        pytest.raises(EngineError, match=r"cannot be started: no start; .*__main__"),
    ):
        list(stream(pool, str, range(3), 2, str))


def test_work_cancelled_by_a_scheduler_is_repeated() -> None:
    class CancellingExecutor(UnreliableExecutor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            if args and self.kills.pop(args[0], 0):
                future: Future[Any] = Future()
                future.cancel()
                return future
            return super().submit(fn, *args)

    with Workers(lambda: CancellingExecutor({1: 1, 2: 1}, True)) as pool:
        assert list(stream(pool, str, range(4), 3)) == ["0", "1", "2", "3"]
