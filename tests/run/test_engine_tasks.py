"""Tasks of estimators on the workers of an engine: results, errors, warnings, and data."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import attrs
import pytest

import estimator_tasks
from estimator_tasks import (
    CountedData,
    TotalByDataset,
    count_unpickled,
    kill_worker,
    raise_for_large,
    raise_unpicklable,
    scale,
    warn_about,
)
from skyred import Orchestrator
from skyred.components.engines import InlineExecutor, Processes, Serial
from skyred.components.stackers.runs import Keep
from skyred.errors import EngineError, SkyredError, SkyredWarning
from skyred.io.streaming import Workers
from skyred.run import engine_tasks
from skyred.run.engine_tasks import EngineTasks
from toys import Recorder, ToyEstimator, toy_pipeline, toy_plugins
from waiting import LIMIT


@pytest.fixture
def immediately(monkeypatch):
    """Send tasks to the workers at once."""
    monkeypatch.setattr(engine_tasks, "SECONDS_BEFORE_WORKERS", 0.0)
    monkeypatch.setattr(engine_tasks, "SECONDS_BEFORE_NEW_WORKERS", 0.0)


@pytest.fixture(scope="module")
def pool() -> Iterator[Workers]:
    with Workers(Processes(workers=2).open) as workers:
        yield workers


@pytest.fixture
def tasks(immediately: None, pool: Workers) -> EngineTasks:
    return EngineTasks(pool, 2)


def test_results_of_workers_are_in_order_and_equal_to_those_of_this_process(tasks):
    items = [0.1 * number for number in range(20)]
    assert tasks.map(scale, 0.3, items) == [0.3 * item for item in items]


def test_each_worker_unpickles_the_shared_data_once(tasks):
    results = tasks.map(count_unpickled, CountedData(), range(12))
    assert os.getpid() not in {process_id for process_id, _ in results}
    counts = dict(results)  # of each worker, which may have run an earlier test
    assert all(count == counts[process_id] for process_id, count in results)


def test_error_of_a_task_is_that_of_the_first_item_that_fails(tasks):
    with pytest.raises(ArithmeticError, match=r"^3 is too large$"):
        tasks.map(raise_for_large, 3, range(10))
    assert tasks.map(raise_for_large, 30, range(4)) == [0, 1, 2, 3]


def test_error_that_cannot_be_pickled_is_reported_with_its_message(tasks):
    with pytest.raises(SkyredError, match=r"^UnpicklableError: one and two$"):
        tasks.map(raise_unpicklable, None, range(2))


def test_warnings_of_workers_are_issued_in_this_process(tasks):
    with pytest.warns(SkyredWarning) as caught:
        tasks.map(warn_about, "faint source", range(3))
    messages = [str(warning.message) for warning in caught]
    assert messages == [f"faint source {item}" for item in range(3)]


@pytest.mark.slow
def test_task_that_kills_its_worker_is_reported(immediately):
    with (
        Workers(Processes(workers=2).open) as workers,
        pytest.raises(EngineError, match=r"the worker died each time .* out of memory\?"),
    ):
        EngineTasks(workers, 2).map(kill_worker, os.getpid(), range(2))


def test_workers_that_do_not_see_the_file_receive_the_data_with_the_task(immediately):
    class RemoteExecutor(InlineExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            calls = [attrs.evolve(call, file=Path("missing")) for call in args]
            return super().submit(fn, *calls, **kwargs)

    with Workers(RemoteExecutor) as workers:
        assert EngineTasks(workers, 2).map(scale, 2.0, range(8)) == [2.0 * i for i in range(8)]


def test_quick_tasks_and_those_of_one_worker_do_not_start_workers(monkeypatch):
    def open_executor() -> Executor:
        raise AssertionError("workers were started")

    with Workers(open_executor) as workers:
        assert EngineTasks(workers, 2).map(scale, 2.0, range(3)) == [0.0, 2.0, 4.0]
        monkeypatch.setattr(engine_tasks, "SECONDS_BEFORE_NEW_WORKERS", 0.0)
        assert EngineTasks(workers, 1).map(scale, 2.0, range(3)) == [0.0, 2.0, 4.0]


def test_finished_tasks_are_reported(tasks):
    reports = []
    attrs.evolve(tasks, report=lambda finished, total: reports.append((finished, total))).map(
        scale, 1.0, range(3)
    )
    assert reports == [(1, 3), (2, 3), (3, 3)]


# -- in a run ------------------------------------------------------------------------------------


def create_orchestrator(engine: Any, *watchers: Any) -> Orchestrator:
    estimators = [TotalByDataset(), ToyEstimator()]
    pipeline = toy_pipeline(4, estimate=estimators, stack=Keep())
    return Orchestrator(pipeline, plugins=toy_plugins(*watchers), engine=engine)


@pytest.mark.parametrize("workers", [1, 2])
def test_third_party_estimators_with_and_without_tasks_do_not_depend_on_workers(
    immediately, workers
):
    expected = create_orchestrator(Serial()).estimate()
    products = create_orchestrator(Processes(workers=workers)).estimate()
    assert {name: product.counts for name, product in products.items()} == {
        name: product.counts for name, product in expected.items()
    }
    assert (os.getpid() in estimator_tasks.process_ids) == (workers == 1)


def test_reduction_and_estimators_of_a_run_use_the_same_workers(immediately, monkeypatch):
    executors, open_executor = [], Processes.open

    def open_counted(engine: Processes) -> Executor:
        executors.append(open_executor(engine))
        return executors[-1]

    monkeypatch.setattr(Processes, "open", open_counted)
    recorder = Recorder()
    create_orchestrator(Processes(workers=2), ("recorder", recorder)).run()
    assert len(executors) == 1
    assert os.getpid() not in estimator_tasks.process_ids
    finished = [arguments for hook, arguments in recorder.calls if hook == "task_finished"]
    assert [(call["finished"], call["total"]) for call in finished] == [
        (number, 4) for number in range(1, 5)
    ]
    assert {call["estimate"] for call in finished} == {"toy-total-by-dataset"}


def test_interrupt_during_tasks_stops_the_workers(immediately):
    other_processes = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt), Workers(Processes(workers=2).open) as workers:
        EngineTasks(workers, 2, interrupt).map(scale, 1.0, range(4))
    for process in set(multiprocessing.active_children()) - other_processes:
        process.join(LIMIT)
        assert process.exitcode is not None


def interrupt(finished: int, total: int) -> None:
    raise KeyboardInterrupt
