"""The executor that sends tasks to dask workers, and fails a task if its workers died."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    InvalidStateError,
    wait as wait_for_futures,
)
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import dask
import distributed
from distributed import Client, LocalCluster
from distributed.scheduler import KilledWorker

from skyred import EngineError, block_interrupts
from skyred_dask.check_workers import check_workers
from skyred_dask.worker_monitor import WorkerMonitor

START_TIMEOUT = 60.0  # seconds, for workers on this machine
# Defaults of dask that cost CPU time, measured for the reduction of maps:
LOCAL_SETTINGS = {
    # a profile of each worker, a hundred times per second: a third of the time of the tasks
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    # a small trim threshold: freed arrays go back to the system, and each new array causes page
    # faults, ten times as many as in other processes, and a third of the time of the tasks
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    # health checks of the event loops, 50 per second in each worker, nanny, scheduler and client:
    # 3 % to 5 % of the time of each process
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.cycle": "10s",
    "distributed.admin.system-monitor.interval": "10s",
}
# the first tasks of an estimator contain its datasets if the workers do not see the file with them
NO_SIZE_WARNING = {"distributed.admin.large-graph-warning-threshold": "1 PB"}
CLOSE_TIMEOUT = 10.0  # seconds, for workers to stop and for the connection to close


class WorkerDied(BrokenExecutor):
    """Raised for a task if its workers died too often, or the scheduler dropped it."""


class DaskExecutor(Executor):
    """Executor that sends tasks to the workers of a scheduler.

    Parameters
    ----------
    client : distributed.Client
        The connection to the scheduler; closed at the end.
    cluster : distributed.LocalCluster, optional
        The workers, if they were started here; they are stopped at the end.
    worker_timeout : float
        Time without any worker after which all tasks fail, in seconds.
    """

    def __init__(
        self,
        client: Client,
        cluster: LocalCluster | None = None,
        worker_timeout: float = START_TIMEOUT,
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._pending: set[Future[Any]] = set()
        self._monitor = WorkerMonitor(client, worker_timeout, self._fail_pending)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a task to a worker."""
        if self._client.status != "running":
            raise WorkerDied(f"the connection to the dask scheduler is {self._client.status}")
        future: Future[Any] = Future()
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        with dask.config.set(NO_SIZE_WARNING):
            dask_future = self._client.submit(partial(fn, *args, **kwargs), pure=False)
        self._client.loop.add_callback(_copy_result, dask_future, future)
        # a reference to the future here would keep its result until the garbage collector runs
        future.add_done_callback(lambda done: dask_future.cancel() if done.cancelled() else None)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the connection, and stop the workers if they were started here."""
        if cancel_futures or not wait or self._client.status != "running":
            for future in list(self._pending):
                future.cancel()
        wait_for_futures(list(self._pending))
        self._monitor.stop()
        # a timeout on a busy machine must not discard the results
        with suppress(TimeoutError):
            self._client.close(CLOSE_TIMEOUT)
        if self._cluster is not None:
            try:
                self._cluster.close(CLOSE_TIMEOUT)
            except TimeoutError:
                self._kill_workers()

    def __exit__(self, exc_type: Any, exc: Any, traceback: Any) -> None:
        if exc_type is not None:  # the results of running tasks are not needed
            self._kill_workers()
        self.shutdown(wait=exc_type is None)

    def _fail_pending(self, reason: str) -> None:
        error = EngineError(
            f"{reason}: they stopped or were killed; start workers and run again: "
            "finished chunks are read from the cache"
        )
        for future in list(self._pending):
            with suppress(InvalidStateError):  # the task finished in the meantime
                future.set_exception(error)

    def _kill_workers(self) -> None:
        """Kill the workers of this executor, so that they do not finish their tasks."""
        for nanny in self._cluster.workers.values() if self._cluster else ():
            nanny.auto_restart = False
            with suppress(ProcessLookupError):
                if nanny.pid:
                    os.kill(nanny.pid, signal.SIGKILL)


async def _copy_result(dask_future: distributed.Future, future: Future[Any]) -> None:
    """Wait for a task, and copy its result; the worker can then remove it from its memory.

    Dask's own executor keeps the results of finished tasks, here and on the workers, until the
    garbage collector runs.
    """
    result: Any = None
    error: BaseException | None = None
    try:
        result = await dask_future
    except KilledWorker as killed:
        error = WorkerDied(
            f"{killed.allowed_failures + 1} dask workers died while running the task"
        )
    except (CancelledError, asyncio.CancelledError):
        error = WorkerDied("the dask scheduler dropped the task")
    except BaseException as task_error:  # whatever the task raised: the caller waits
        error = task_error
    dask_future.release()
    with suppress(InvalidStateError):  # cancelled by the caller, or failed by the monitor
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def silence_logs() -> None:
    """Set the log level of distributed to ERROR.

    All relevant errors are raised. A cluster restores the level of its logger when it closes, but
    broken connections to killed workers are still logged after that, with a traceback.
    """
    for name in ("distributed", "distributed.client"):  # the second logger has its own level
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.ERROR))


def open_local(workers: int, allowed_failures: int) -> DaskExecutor:
    """Start workers with one thread each, on this machine and reachable only from it."""
    silence_logs()
    settings = {
        "distributed.scheduler.allowed-failures": allowed_failures,
        "distributed.comm.timeouts.connect": START_TIMEOUT,
        **LOCAL_SETTINGS,
    }
    with dask.config.set(settings), block_interrupts():
        try:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # metrics are served even without a dashboard
                scheduler_kwargs={"dashboard": False},
                memory_limit=0,  # dask pauses workers near a limit, possibly forever
                silence_logs="ERROR",
            )
            # results need not pass through the scheduler, which would read and send them again
            client = Client(cluster, timeout=START_TIMEOUT, direct_to_workers=True)
            return DaskExecutor(client, cluster)
        except (OSError, RuntimeError, TimeoutError) as error:
            raise EngineError(
                f"cannot start dask workers: {error}; in a script, run the pipeline inside "
                "if __name__ == '__main__':"
            ) from error


def open_cluster(scheduler: str, wait: float) -> DaskExecutor:
    """Connect to a scheduler, by address or by scheduler file, and check its workers."""
    silence_logs()
    client = _connect(scheduler)
    try:
        client.wait_for_workers(1, timeout=wait)
        check_workers(client)
    except TimeoutError:
        client.close()
        raise EngineError(
            f"the dask scheduler {scheduler} has no workers after {wait:.0f} s; "
            "start workers (dask worker ... --nthreads 1), or increase the option wait"
        ) from None
    except BaseException:
        client.close()
        raise
    return DaskExecutor(client, worker_timeout=wait)


def _connect(scheduler: str) -> Client:
    try:
        if "://" in scheduler:
            return Client(scheduler)
        if not Path(scheduler).is_file():
            raise EngineError(
                f"no such scheduler file: {scheduler}; expected an address (tcp://node1:8786) "
                "or the file written by dask scheduler --scheduler-file"
            )
        return Client(scheduler_file=scheduler)
    except (OSError, ValueError, TimeoutError) as error:
        raise EngineError(
            f"cannot connect to the dask scheduler {scheduler}: {error}; is it running?"
        ) from error
