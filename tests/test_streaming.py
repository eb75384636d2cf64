"""Streaming: in order, a bounded look-ahead, cancelled when nobody listens any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyred.defaults.engines import InlineExecutor
from skyred.streaming import stream


class Lazy(Executor):
    """Does nothing until it is asked for a result; keeps all it was given."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.result = lambda timeout=None: fn(*args, **kwargs)  # type: ignore[method-assign]
        self.futures.append(future)
        return future


@given(st.lists(st.integers()), st.integers(-1, 5), st.integers(1, 3))
def test_results_come_in_the_order_of_the_items(items: list[int], ahead: int, workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        assert list(stream(pool, str, items, ahead)) == [str(item) for item in items]


def test_a_slow_first_item_still_comes_first() -> None:
    with ThreadPoolExecutor(3) as pool:
        delays = [0.05, 0.0, 0.01]
        assert list(stream(pool, lambda s: (time.sleep(s), s)[1], delays, 3)) == delays


@given(st.integers(0, 12), st.integers(1, 5))
def test_no_more_than_the_look_ahead_is_under_way(count: int, ahead: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(count):
            taken.append(number)
            yield number

    pool, received = Lazy(), 0
    for result in stream(pool, lambda item: item, items(), ahead):
        received += 1
        assert result == received - 1
        assert len(taken) == len(pool.futures) <= received + ahead
    assert received == count


def test_what_has_not_started_is_cancelled_when_the_caller_stops() -> None:
    pool = Lazy()
    running = stream(pool, lambda item: item, range(10), 3)
    assert next(running) == 0
    running.close()
    assert [future.cancelled() for future in pool.futures] == [False, True, True, True]


def test_an_error_ends_the_stream_and_cancels_the_rest() -> None:
    pool = Lazy()
    with pytest.raises(ZeroDivisionError):
        list(stream(pool, lambda item: 1 / item, [1, 0, 2, 3], 3))
    assert [future.cancelled() for future in pool.futures] == [False, False, True, True]


def test_an_interrupt_of_inline_work_is_not_swallowed() -> None:
    def interrupt(item: int) -> None:
        raise KeyboardInterrupt

    with InlineExecutor() as pool, pytest.raises(KeyboardInterrupt):
        list(stream(pool, interrupt, [1]))
