"""Engines of plugins that violate a rule are stopped, and named with their plugin."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import sys
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from typing import Any

import numpy as np
import pytest

from skyred import Engine, Orchestrator, component, option
from skyred.components.engines import InlineExecutor, Serial
from skyred.errors import ComponentError, EngineError, SkyredError
from skyred.interfaces.records import Owner
from skyred.io.streaming import Workers
from skyred.run.checked_engine import CheckedExecutor, open_executor
from skyred.run.worker.identified_task import Caller, run_task
from toys import ToyFitter, toy_pipeline, toy_plugins

SOURCE = r"engine bad-engine of badly-made 0\.3 \(plugin 'bad'\)"


class BadExecutor(InlineExecutor):
    """An executor with a fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self.fault == "exit":
            sys.exit("no licence")
        if self.fault == "raise":
            raise OSError("no network")
        if self.fault == "value":
            return fn(*args, **kwargs)
        future = super().submit(fn, *args, **kwargs)
        self.futures.append(future)
        if self.fault == "shuffled":
            return self.futures[len(self.futures) // 2]
        if self.fault == "none":
            return _finished(None)
        if self.fault == "worker":
            return _finished(error=ConnectionResetError("the worker died"))
        return future

    def __exit__(self, *exception: Any) -> None:
        if self.fault == "close":
            raise OSError("no network")
        if self.fault == "exit at the end":
            sys.exit(3)


def _finished(result: Any = None, error: Exception | None = None) -> Future[Any]:
    future: Future[Any] = Future()
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
    return future


@component
class BadEngine(Engine):
    """An engine with a fault."""

    kind = "bad-engine"
    fault: str = option("", doc="The fault.")

    @property
    def slots(self) -> Any:  # type: ignore[override]
        return {"no slots": 0, "text": "4"}.get(self.fault, 2)

    def open(self) -> Any:
        if self.fault == "open exits":
            sys.exit("no licence")
        if self.fault == "not an executor":
            return object()
        if self.fault == "threads":
            return ThreadPoolExecutor(2)
        return BadExecutor(self.fault)


def create_orchestrator(fault: str) -> Orchestrator:
    plugins = toy_plugins()
    assert plugins.catalog.add(BadEngine, Owner("badly-made", "0.3", "bad")) == ""
    engine = BadEngine(fault=fault)
    return Orchestrator(toy_pipeline(7, fit=ToyFitter()), plugins=plugins, engine=engine)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no slots", "has slots = 0; expected an integer"),
        ("text", "has slots = '4'; expected an integer"),
        ("open exits", r"exits Python \(code no licence\)"),
        ("not an executor", "returned object, not a concurrent.futures.Executor"),
        ("exit", r"exits Python \(code no licence\)"),
        ("value", "returned TaskResult, not a concurrent.futures.Future"),
        ("shuffled", "returned the result of task 1 for task 2"),
        ("none", "returned NoneType instead of the result of a task"),
        ("threads", "runs tasks in threads of the main process; gammapy and astropy are not"),
    ],
)
def test_engine_that_violates_a_rule_is_stopped(fault: str, message: str) -> None:
    with pytest.raises(ComponentError, match=message) as excinfo:
        create_orchestrator(fault).reduce()
    assert excinfo.match(SOURCE)


def test_error_of_an_engine_names_its_plugin() -> None:
    with pytest.raises(OSError, match="no network") as excinfo:
        create_orchestrator("raise").reduce()
    (note,) = excinfo.value.__notes__
    assert "engine bad-engine of badly-made 0.3" in note


def test_dead_worker_without_a_broken_executor_names_the_engine() -> None:
    message = rf"{SOURCE} could not run a task: ConnectionResetError: .*BrokenExecutor"
    with pytest.raises(EngineError, match=message):
        create_orchestrator("worker").reduce()


@pytest.mark.parametrize("fault", ["close", "exit at the end"])
def test_results_are_used_if_an_engine_cannot_be_closed(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = create_orchestrator("").fit()
    with caplog.at_level(logging.WARNING, logger="skyred"):
        result = create_orchestrator(fault).fit()
    assert result.values == expected.values
    messages = [record.getMessage() for record in caplog.records]
    assert any("engine bad-engine of badly-made 0.3" in message for message in messages)


def test_engine_of_skyred_is_not_wrapped() -> None:
    from skyred.plugins import Plugins

    executor = open_executor(Serial(), Plugins.load().catalog)
    assert type(executor) is InlineExecutor


# -- results and errors of tasks -----------------------------------------------------------------


def checked(executor: Executor) -> CheckedExecutor:
    return CheckedExecutor(BadEngine(), toy_plugins().catalog, executor)


def spawn_pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.slow
def test_results_of_processes_can_be_changed_and_errors_are_propagated() -> None:
    with checked(spawn_pool()) as executor:
        array = executor.submit(np.zeros, 3).result()
        array += 1.0
        with pytest.raises(ValueError, match="run 7 is broken") as excinfo:
            executor.submit(int, "run 7 is broken").result()
        assert "identified_task.py" in str(excinfo.value.__cause__)
        with pytest.raises(SkyredError, match="SystemExit: 5"):
            executor.submit(sys.exit, 5).result()


def copy_read_only(value: Any) -> Any:
    """Return a copy of a value with read-only arrays, as ray does."""
    buffers: list[Any] = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytes(buffer) for buffer in buffers])


def test_arrays_of_an_engine_with_read_only_results_can_be_changed() -> None:
    result = copy_read_only(run_task(Caller(("", 0), 0), 7, np.zeros, 3)).get()
    assert not copy_read_only(np.zeros(3)).flags.writeable
    assert result.flags.writeable


@pytest.mark.slow
def test_dead_worker_is_replaced() -> None:
    with Workers(lambda: checked(spawn_pool())) as workers:
        with pytest.raises(BrokenExecutor):
            workers.attempt(os._exit, 1)
        assert workers.attempt(abs, -2) == 2


def test_cancelled_tasks_are_cancelled_in_the_engine() -> None:
    class Waiting(InlineExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            futures.append(Future())
            return futures[-1]

    futures: list[Future[Any]] = []
    executor = checked(Waiting())
    future = executor.submit(abs, -2)
    assert future.cancel()
    assert futures[0].cancelled()
    assert future.cancelled()
