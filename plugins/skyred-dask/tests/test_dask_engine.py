"""The engine dask: same results as the serial engine, killed workers, schedulers and Ctrl-C."""

import gc
import logging
import os
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import pytest

from fault_injection.killed_reductions import ReductionProcess, reduce, statuses, totals
from fault_injection.killing_maker import KillingMaker
from skyred import EngineError, FieldError, Serial
from skyred_dask import Dask
from waiting import LIMIT, hang_guard, wait_for

WAIT = f"{LIMIT} s"


@pytest.fixture(autouse=True)
def limit_time():
    with hang_guard(3 * LIMIT):  # more than all limits below
        yield


@pytest.mark.parametrize("workers", [1, 2])
def test_totals_are_identical_to_serial(workers):
    partial_stacks = reduce(KillingMaker(failing_runs=[4]), Dask(workers=workers))
    expected = reduce(KillingMaker(failing_runs=[4]), Serial())
    assert totals(partial_stacks) == totals(expected)
    assert statuses(partial_stacks) == statuses(expected)


def test_run_that_kills_its_worker_once_is_reduced_again(tmp_path):
    partial_stacks = reduce(
        KillingMaker(killing_runs=[5], max_kills=1, state_folder=str(tmp_path)), Dask(workers=2)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["5-0"]
    assert totals(partial_stacks) == totals(reduce(KillingMaker(), Serial()))


def test_only_the_run_that_always_kills_its_worker_fails(tmp_path):
    maker = KillingMaker(killing_runs=[5], state_folder=str(tmp_path))
    partial_stacks = reduce(maker, Dask(workers=2, allowed_failures=0))
    assert statuses(partial_stacks) == [
        (run, "failed" if run == 5 else "reduced") for run in range(1, 8)
    ]
    assert "dask workers died while running the task" in partial_stacks[1].outcomes[1].reason
    assert totals(partial_stacks) == totals(reduce(KillingMaker(failing_runs=[5]), Serial()))


def test_local_workers_have_one_thread_and_are_not_reachable_from_outside():
    with Dask(workers=1).open() as executor:
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
        # with a threshold, new arrays cause many page faults
        assert executor.submit(os.getenv, "MALLOC_TRIM_THRESHOLD_").result() is None
        (worker,) = executor._client.scheduler_info(n_workers=-1)["workers"].values()
    assert worker["nthreads"] == 1
    assert worker["host"] == "127.0.0.1"


def test_results_are_not_kept_without_garbage_collection():
    gc.disable()
    try:
        with Dask(workers=1).open() as executor:
            future = executor.submit(bytes, 3)
            assert future.result() == bytes(3)
            reference = weakref.ref(future)
            del future
            wait_for(lambda: reference() is None)
            wait_for(lambda: not executor._client.futures)  # the worker keeps what is listed here
    finally:
        gc.enable()


def test_large_tasks_cause_no_warning():
    with Dask(workers=1).open() as executor, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert executor.submit(len, bytes(20_000_000)).result() == 20_000_000


def test_error_that_is_not_an_exception_is_raised():
    def fail():  # a local function, which workers need not import
        raise GeneratorExit("stopped")

    with Dask(workers=1).open() as executor:
        future = executor.submit(fail)
        with pytest.raises(GeneratorExit, match="stopped"):
            future.result(LIMIT)


def test_timeout_of_a_closing_cluster_is_not_an_error(monkeypatch):
    with Dask(workers=1).open() as executor:
        result = executor.submit(sum, (1, 2)).result()
        pids = [nanny.pid for nanny in executor._cluster.workers.values()]
        close = executor._cluster.close

        def raise_timeout(timeout):
            raise TimeoutError(f"timed out after {timeout} s.")

        monkeypatch.setattr(executor._cluster, "close", raise_timeout)
    assert result == 3
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    close(LIMIT)


def test_broken_connections_while_closing_are_not_logged():
    with Dask(workers=1).open():
        pass
    for name in ("distributed.batched", "distributed.client"):  # their threads may still run
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Start a scheduler as on a cluster; yield its file and a function that starts workers."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    paths = os.pathsep.join([str(Path(__file__).parents[3] / "tests" / "helpers"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "DASK_LOGGING__DISTRIBUTED": "error"}

    processes = []

    def start(*arguments):
        command = [sys.executable, "-m", "dask", *arguments, "--scheduler-file", str(file)]
        log = (folder / f"{arguments[0]}.log").open("a")
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        processes.append(process)
        return process

    start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    try:
        wait_for(file.exists)
        yield file, lambda *arguments: start("worker", *arguments)
    finally:
        for process in processes:
            process.kill()
            process.wait(LIMIT)


SINGLE_THREAD = ("--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1")


def test_scheduler_without_workers_is_reported(scheduler):
    with pytest.raises(EngineError, match=r"has no workers after 0 s; start workers"):
        Dask(scheduler=str(scheduler[0]), workers=1, wait="0.2 s").open()


def test_worker_with_several_threads_is_rejected(scheduler):
    file, start = scheduler
    worker = start("--nthreads", "2", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1")
    try:
        with pytest.raises(EngineError, match=r"has 2 threads.*--nthreads 1"):
            Dask(scheduler=str(file), workers=1, wait=WAIT).open()
    finally:
        worker.terminate()
        worker.wait(LIMIT)


def test_scheduler_of_a_file_is_used_and_not_stopped(scheduler):
    file, start = scheduler
    start(*SINGLE_THREAD)
    expected = totals(reduce(KillingMaker(), Serial()))
    for _ in range(2):
        partial_stacks = reduce(KillingMaker(), Dask(scheduler=str(file), workers=1, wait=WAIT))
        assert totals(partial_stacks) == expected


def test_missing_workers_end_the_run_with_an_error(scheduler, tmp_path):
    file, start = scheduler
    worker = start(*SINGLE_THREAD)
    maker = KillingMaker(killing_runs=[3], state_folder=str(tmp_path))  # no other worker is started
    with Dask(scheduler=str(file), workers=1, wait=WAIT).open():
        pass  # the worker is connected
    try:
        with pytest.raises(EngineError, match=r"no workers for 1 s.*start workers and run again"):
            reduce(maker, Dask(scheduler=str(file), workers=1, wait="1 s"))
    finally:
        worker.kill()


def test_workers_with_other_versions_are_rejected(scheduler, monkeypatch):
    from skyred_dask import check_workers

    file, start = scheduler
    start(*SINGLE_THREAD)
    local_versions = {**check_workers.versions(), "gammapy": "2.0"}
    with Dask(scheduler=str(file), workers=1, wait=WAIT).open() as executor:
        worker_versions = executor._client.run(check_workers.versions)
        monkeypatch.setattr(check_workers, "versions", lambda: local_versions)
        monkeypatch.setattr(check_workers, "_versions_of_workers", lambda client: worker_versions)
        with pytest.raises(EngineError, match=r"tcp://\S+ has gammapy 2\.1 \(here 2\.0\)"):
            check_workers.check_workers(executor._client)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nowhere.json", "no such scheduler file: nowhere.json"),
        ("tcp://127.0.0.1:1", "cannot connect to the dask"),
    ],
)
def test_unreachable_scheduler_is_reported(address, message):
    import dask

    settings = {"distributed.comm.timeouts.connect": "0.5s"}
    with dask.config.set(settings), pytest.raises(EngineError, match=message):
        Dask(scheduler=address, workers=1).open()


def test_number_of_workers_of_a_scheduler_is_required():
    with pytest.raises(FieldError, match=r"is not set, but scheduler is"):
        Dask(scheduler="tcp://node1:8786")


@pytest.fixture
def child(tmp_path):
    process = ReductionProcess(tmp_path, "skyred_dask", "Dask")
    yield process
    process.end()


@pytest.mark.parametrize("whole_group", [False, True], ids=["parent", "group"])
def test_ctrl_c_during_a_run_stops_all_workers(child, whole_group):
    output = child.interrupt(whole_group)
    assert child.process.returncode == 130, output
    assert "Traceback" not in output
    wait_for(lambda: not child.session_processes())
