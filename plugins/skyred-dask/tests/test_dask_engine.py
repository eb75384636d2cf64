"""The engine dask: the bits of serial, workers that are really killed, schedulers, Ctrl-C."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fault_injection.killed_reductions import Child, reduce, statuses, totals
from fault_injection.killing_maker import Killer
from skyred import EngineError, FieldError, Serial
from skyred_dask import Dask
from waiting import LIMIT, hang_guard, wait_for

WAIT = f"{LIMIT} s"


@pytest.fixture(autouse=True)
def no_hang():
    with hang_guard(3 * LIMIT):  # more than any limit below
        yield


@pytest.mark.parametrize("workers", [1, 2])
def test_totals_are_those_of_serial_to_the_bit(workers):
    done = reduce(Killer(fails=[4]), Dask(workers=workers))
    expected = reduce(Killer(fails=[4]), Serial())
    assert totals(done) == totals(expected)
    assert statuses(done) == statuses(expected)


def test_a_run_that_kills_its_worker_once_costs_nothing_but_time(tmp_path):
    done = reduce(Killer(victims=[5], times=1, scene=str(tmp_path)), Dask(workers=2))
    assert [path.name for path in tmp_path.iterdir()] == ["5-0"]
    assert totals(done) == totals(reduce(Killer(), Serial()))


def test_a_run_that_always_kills_is_the_only_one_that_fails(tmp_path):
    killer = Killer(victims=[5], scene=str(tmp_path))
    done = reduce(killer, Dask(workers=2, allowed_failures=0))
    assert statuses(done) == [(n, "failed" if n == 5 else "reduced") for n in range(1, 8)]
    assert "dask workers died of it" in done[1].outcomes[1].reason
    assert totals(done) == totals(reduce(Killer(fails=[5]), Serial()))


def test_workers_of_this_machine_have_one_thread_and_no_other_machine_reaches_them():
    with Dask(workers=1).open() as executor:
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
        (worker,) = executor._client.scheduler_info(n_workers=-1)["workers"].values()
    assert worker["nthreads"] == 1
    assert worker["host"] == "127.0.0.1"


def test_a_cluster_that_does_not_close_in_time_loses_nothing(monkeypatch):
    with Dask(workers=1).open() as executor:
        answer = executor.submit(sum, (1, 2)).result()
        pids = [nanny.pid for nanny in executor._cluster.workers.values()]
        close = executor._cluster.close

        def too_late(timeout):
            raise TimeoutError(f"timed out after {timeout} s.")

        monkeypatch.setattr(executor._cluster, "close", too_late)
    assert answer == 3
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    close(LIMIT)


def test_connections_that_break_while_it_closes_are_not_logged():
    with Dask(workers=1).open():
        pass
    for name in ("distributed.batched", "distributed.client"):  # threads of it may not have ended
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Start a scheduler as on a cluster; gives its file, its address and how to start a worker."""
    place = tmp_path_factory.mktemp("cluster")
    file = place / "scheduler.json"
    paths = os.pathsep.join([str(Path(__file__).parents[3] / "tests" / "helpers"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "DASK_LOGGING__DISTRIBUTED": "error"}

    def start(*words):
        command = [sys.executable, "-m", "dask", *words, "--scheduler-file", str(file)]
        log = (place / f"{words[0]}.log").open("a")
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=place)

    started = [start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")]
    try:
        wait_for(file.exists)
        yield file, lambda *words: started.append(start("worker", *words)) or started[-1]
    finally:
        for process in started:
            process.kill()
            process.wait(LIMIT)


ONE = ("--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1")


def test_a_scheduler_without_workers_is_told(scheduler):
    with pytest.raises(EngineError, match=r"has no workers after 0 s; start some"):
        Dask(scheduler=str(scheduler[0]), workers=1, wait="0.2 s").open()


def test_a_worker_with_several_threads_is_refused(scheduler):
    file, start = scheduler
    worker = start("--nthreads", "2", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1")
    try:
        with pytest.raises(EngineError, match=r"has 2 threads.*--nthreads 1"):
            Dask(scheduler=str(file), workers=1, wait=WAIT).open()
    finally:
        worker.terminate()
        worker.wait(LIMIT)


def test_a_scheduler_is_found_by_its_file_and_outlives_the_run(scheduler):
    file, start = scheduler
    start(*ONE)
    expected = totals(reduce(Killer(), Serial()))
    for _ in range(2):
        done = reduce(Killer(), Dask(scheduler=str(file), workers=1, wait=WAIT))
        assert totals(done) == expected


def test_a_scheduler_that_loses_its_workers_ends_the_run_with_an_error(scheduler, tmp_path):
    file, start = scheduler
    worker = start(*ONE)
    killer = Killer(victims=[3], scene=str(tmp_path))  # nobody starts another one
    with Dask(scheduler=str(file), workers=1, wait=WAIT).open():
        pass  # it is there
    try:
        with pytest.raises(EngineError, match=r"no workers for 1 s.*start some and run again"):
            reduce(killer, Dask(scheduler=str(file), workers=1, wait="1 s"))
    finally:
        worker.kill()


def test_workers_with_other_versions_are_refused_by_name(scheduler, monkeypatch):
    from skyred_dask import sameness

    file, start = scheduler
    start(*ONE)
    here = {**sameness.versions(), "gammapy": "2.0"}
    with Dask(scheduler=str(file), workers=1, wait=WAIT).open() as executor:
        theirs = executor._client.run(sameness.versions)
        monkeypatch.setattr(sameness, "versions", lambda: here)
        monkeypatch.setattr(sameness, "_versions_of_workers", lambda client: theirs)
        with pytest.raises(EngineError, match=r"tcp://\S+ has gammapy 2\.1 \(here 2\.0\)"):
            sameness.require_same(executor._client)


@pytest.mark.parametrize(
    ("where", "message"),
    [("nowhere.json", "no scheduler file nowhere.json"), ("tcp://127.0.0.1:1", "no dask sched")],
)
def test_a_scheduler_that_is_not_there_is_told(where, message):
    import dask

    quick = {"distributed.comm.timeouts.connect": "0.5s"}
    with dask.config.set(quick), pytest.raises(EngineError, match=message):
        Dask(scheduler=where, workers=1).open()


def test_the_number_of_workers_of_a_scheduler_is_asked_for():
    with pytest.raises(FieldError, match=r"how many workers it has"):
        Dask(scheduler="tcp://node1:8786")


@pytest.fixture
def child(tmp_path):
    started = Child(tmp_path, "skyred_dask", "Dask")
    yield started
    started.end()


@pytest.mark.parametrize("whole_group", [False, True], ids=["parent", "group"])
def test_ctrl_c_ends_it_in_the_middle_of_runs_with_all_its_workers(child, whole_group):
    said = child.interrupt(whole_group)
    assert child.process.returncode == 130, said
    assert "Traceback" not in said
    wait_for(lambda: not child.family())
