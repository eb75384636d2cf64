"""Recovery from workers that are killed during a chunk."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pytest

from fault_injection.killed_reductions import reduce, statuses, totals
from fault_injection.killing_maker import KillingMaker, chunks
from skyred import Engine, Orchestrator, component
from skyred.components.engines import InlineExecutor, Processes, Serial
from skyred.io.streaming import Workers, stream
from skyred.run.worker import reduce_chunk
from skyred.run.worker_recovery import reduce_run_by_run
from toys import ToyMaker, ToySum, toy_pipeline, toy_plugins
from waiting import hang_guard


@pytest.fixture(autouse=True)
def limit_time() -> Iterator[None]:
    with hang_guard():
        yield


@pytest.mark.slow
def test_run_that_kills_its_worker_once_is_reduced_again(tmp_path: Path) -> None:
    partial_stacks = reduce(
        KillingMaker(killing_runs=[5], max_kills=1, state_folder=str(tmp_path)),
        Processes(workers=2),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["5-0"]
    assert statuses(partial_stacks) == [(obs_id, "reduced") for obs_id in range(1, 8)]
    assert totals(partial_stacks) == totals(reduce(KillingMaker(), Serial()))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_only_the_run_that_always_kills_its_worker_fails(
    tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    partial_stacks = reduce(
        KillingMaker(killing_runs=[5], state_folder=str(tmp_path)), Processes(workers=workers)
    )
    assert statuses(partial_stacks) == [
        (obs_id, "failed" if obs_id == 5 else "reduced") for obs_id in range(1, 8)
    ]
    reason = partial_stacks[1].outcomes[1].reason
    assert "the worker died each time while reducing this run" in reason
    assert "out of memory?" in reason
    assert "ended with signal 9 (SIGKILL)" in caplog.text
    # bit-identical to a reduction in which the run raises an error
    assert totals(partial_stacks) == totals(reduce(KillingMaker(failing_runs=[5]), Serial()))


class FailingExecutor(InlineExecutor):
    """An executor that fails, as if its worker were killed, for some sets of observation ids."""

    def __init__(self, fails_for: Any) -> None:
        self.fails_for = fails_for

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        # a checked executor passes other arguments first
        chunk_arguments = [*dropwhile(lambda arg: not hasattr(arg, "observations"), args)]
        observations = chunk_arguments[0].observations if chunk_arguments else ()
        excluded_runs = chunk_arguments[1] if len(chunk_arguments) > 1 else {}
        obs_ids = {int(observation.obs_id) for observation in observations} - set(excluded_runs)
        if self.fails_for(obs_ids):
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor("gone"))
            return future
        return super().submit(fn, *args, **kwargs)


def test_all_runs_of_a_chunk_fail_if_only_their_combination_kills_the_worker() -> None:
    with Workers(lambda: FailingExecutor({4, 6}.issubset)) as workers:
        partial_stacks = list(
            stream(
                workers,
                reduce_chunk,
                chunks(KillingMaker()),
                4,
                partial(reduce_run_by_run, workers),
            )
        )
    assert statuses(partial_stacks) == [
        (obs_id, "failed" if obs_id in (4, 5, 6) else "reduced") for obs_id in range(1, 8)
    ]
    assert "smaller stack.chunk" in partial_stacks[1].outcomes[0].reason
    assert partial_stacks[1].total == 0.0


def test_result_without_a_killed_run_equals_that_without_a_failed_run() -> None:
    @component
    class FailingEngine(Engine):
        """An engine that fails for chunks with run 5."""

        kind = "failing"

        def open(self) -> Executor:
            return FailingExecutor(lambda obs_ids: 5 in obs_ids)

    pipeline = toy_pipeline(7, stack=ToySum(chunk=3), on_error="skip")
    with_killed_worker = Orchestrator(pipeline, plugins=toy_plugins(), engine=FailingEngine())
    with_failed_run = Orchestrator(
        toy_pipeline(7, make=[ToyMaker(fail=[5])], stack=ToySum(chunk=3), on_error="skip"),
        plugins=toy_plugins(),
    )
    assert (
        with_killed_worker.reduce()[0].counts.data.tobytes()
        == with_failed_run.reduce()[0].counts.data.tobytes()
    )
    statuses, expected = (
        [outcome.status for outcome in orchestrator.outcomes]
        for orchestrator in (with_killed_worker, with_failed_run)
    )
    assert statuses == expected
