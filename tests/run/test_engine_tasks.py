"""Tasks of estimators on the workers of an engine: results, errors, warnings, and data."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import attrs
import pytest

import estimator_tasks
from estimator_tasks import (
    CountedData,
    NoisyData,
    OnlyIn,
    TotalByDataset,
    call_shared,
    count_unpickled,
    create_function,
    kill_worker,
    log_about,
    raise_for_large,
    raise_unpicklable,
    return_item,
    scale,
    warn_about,
    warn_and_fail,
    warn_and_raise_numbered,
    warn_repeatedly,
)
from skyred import Orchestrator
from skyred.components.engines import InlineExecutor, Processes, Serial
from skyred.components.stackers.runs import Keep
from skyred.errors import EngineError, SkyredError, SkyredWarning
from skyred.io.exact_pickle import dump_exactly
from skyred.io.streaming import Workers
from skyred.run import engine_tasks
from skyred.run.engine_tasks import EngineTasks
from skyred.run.worker.shared_call import CallResult, SharedCall, run_shared_call
from toys import Recorder, ToyEstimator, toy_pipeline, toy_plugins
from waiting import wait_for


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


def test_messages_are_those_of_the_worker_even_if_copies_have_another_one(tasks):
    with (
        pytest.warns(UserWarning, match=r"^number 0$"),
        pytest.raises(SkyredError, match=r"^NumberedError: number 0$"),
    ):
        tasks.map(warn_and_raise_numbered, None, range(2))


def test_log_messages_of_workers_are_logged_in_this_process(tasks, caplog):
    assert tasks.map(log_about, "no dataset", range(3)) == [0, 1, 2]
    assert caplog.record_tuples == [
        ("gammapy.estimators", logging.WARNING, f"no dataset {item}") for item in range(3)
    ]


def test_preparation_in_a_worker_issues_no_messages(tmp_path, capsys):
    file = tmp_path / "shared.pickle"
    file.write_bytes(dump_exactly((return_item, NoisyData())))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run_shared_call(SharedCall("noisy", 0, dump_exactly(5), file))
    assert result == CallResult(dump_exactly(5))


def test_warnings_of_workers_are_issued_in_this_process(tasks):
    with pytest.warns(SkyredWarning) as caught:
        tasks.map(warn_about, "faint source", range(3))
    messages = [str(warning.message) for warning in caught]
    assert messages == [f"faint source {item}" for item in range(3)]


def test_repeated_warnings_of_workers_are_issued_as_the_filters_here_require(tasks):
    with pytest.warns(SkyredWarning) as caught:  # shows all
        tasks.map(warn_repeatedly, "faint source", range(2))
    assert [str(warning.message) for warning in caught] == ["faint source"] * 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SkyredWarning, match="faint source"):
            tasks.map(warn_repeatedly, "faint source", range(2))


def test_failing_task_issues_its_warnings_and_shows_its_traceback(tasks):
    with (
        pytest.warns(SkyredWarning, match=r"^faint source 0$"),
        pytest.raises(ArithmeticError, match=r"^0 failed$") as caught,
    ):
        tasks.map(warn_and_fail, "faint source", range(2))
    assert "in warn_and_fail" in str(caught.value.__cause__)


def unpicklable(item: int) -> Any:
    return lambda: item


@pytest.mark.parametrize(
    ("shared", "reason"),
    [(lambda item: 2 * item, "PicklingError"), (OnlyIn(os.getpid()), "AttributeError")],
    ids=["not-pickled", "not-read-by-workers"],
)
def test_shared_data_that_workers_cannot_receive_are_used_in_this_process(
    tasks, caplog, shared, reason
):
    assert tasks.map(call_shared, shared, range(6)) == [0, 2, 4, 6, 8, 10]
    assert tasks.map(call_shared, shared, range(2)) == [0, 2]
    (message,) = caplog.messages
    assert message.startswith("tasks run in the main process, because a worker cannot receive")
    assert reason in message


def test_functions_items_and_results_that_cannot_be_pickled_are_used_in_this_process(tasks):
    assert tasks.map(lambda shared, item: shared + item, 1, range(3)) == [1, 2, 3]
    items = [*range(9), unpicklable(9), OnlyIn(os.getpid())]
    assert tasks.map(lambda shared, item: item, None, items) == items
    results = tasks.map(create_function, None, range(3))
    assert [result() for result in results] == [0, 1, 2]


def test_only_items_that_cannot_be_pickled_and_later_ones_run_in_this_process(tasks):
    items = [*range(9), OnlyIn(os.getpid()), 10]
    process_ids = [process_id for process_id, _ in tasks.map(count_unpickled, None, items)]
    assert os.getpid() not in process_ids[:9]
    assert process_ids[9:] == [os.getpid()] * 2


def test_tasks_run_in_this_process_if_their_data_cannot_be_written(
    tasks, caplog, monkeypatch, tmp_path
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert tasks.map(scale, 2.0, range(4)) == [0.0, 2.0, 4.0, 6.0]
    (message,) = caplog.messages
    assert "No such file or directory" in message
    assert message.endswith("set TMPDIR to a folder with enough space")


@pytest.mark.slow
def test_task_that_kills_its_worker_is_reported(immediately):
    with (
        Workers(Processes(workers=2).open) as workers,
        pytest.raises(EngineError, match=r"the worker died each time .* out of memory\?"),
    ):
        EngineTasks(workers, 2).map(kill_worker, os.getpid(), range(2))


class RemoteExecutor(InlineExecutor):
    """A worker that does not see the files of the main process, and counts what it receives."""

    calls: list[Any]

    def __init__(self) -> None:
        super().__init__()
        self.calls = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls += [hide_file(call) for call in args]
        return super().submit(fn, *map(hide_file, args), **kwargs)


def hide_file(call: SharedCall) -> SharedCall:
    return attrs.evolve(call, file=Path("missing"))


def test_worker_that_does_not_see_the_file_receives_the_data_once(immediately):
    executor = RemoteExecutor()
    with Workers(lambda: executor) as workers:
        assert EngineTasks(workers, 2).map(scale, 2.0, range(8)) == [2.0 * i for i in range(8)]
    assert sum(call.data is not None for call in executor.calls) == 1
    assert len(executor.calls) == 9  # one is repeated


def hide_file_and_call(call: SharedCall) -> CallResult:
    """Run a call in a worker that does not see the file."""
    return run_shared_call(hide_file(call))


@pytest.mark.slow
def test_each_of_several_workers_that_do_not_see_the_file_keeps_the_data(immediately, monkeypatch):
    n_sent = 0

    class RemoteWorkers(Workers):
        def submit(self, work: Any, /, *args: Any) -> Future[Any]:
            nonlocal n_sent
            n_sent += args[0].data is not None
            return super().submit(hide_file_and_call, *args)

    with RemoteWorkers(Processes(workers=2).open) as workers:
        results = EngineTasks(workers, 2).map(scale, 2.0, range(40))
    assert results == [2.0 * item for item in range(40)]
    # it would be 40 if workers did not keep the data; a few more are sent if one starts late
    assert 1 <= n_sent <= 20


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_interrupt_during_tasks_stops_the_workers(immediately):
    other_processes = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt), Workers(Processes(workers=2).open) as workers:
        EngineTasks(workers, 2, interrupt).map(scale, 1.0, range(4))
    for process in set(multiprocessing.active_children()) - other_processes:
        # not `join`: while the pool waits for the process too, that may return without an exit code
        wait_for(lambda process=process: process.exitcode is not None)


def interrupt(finished: int, total: int) -> None:
    raise KeyboardInterrupt
