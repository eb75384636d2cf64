"""The executor: work sent to dask's workers; what died with them is told as a broken executor."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.scheduler import KilledWorker

from skyred import EngineError, interrupts_held
from skyred_dask.sameness import require_same
from skyred_dask.watch import Watch

START = 60.0  # seconds for workers of this machine to start
# looking at every worker a hundred times a second makes the work a third slower
NO_PROFILE = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
}
CLOSE = 10.0  # seconds for them to end, and for the connection to close


class WorkerDied(BrokenExecutor):
    """A piece of work that took too many workers with it."""


class DaskExecutor(Executor):
    """Sends work to the workers of a scheduler.

    Parameters
    ----------
    client : distributed.Client
        The connection to the scheduler; closed at the end.
    cluster : distributed.LocalCluster, optional
        The workers, if they are ours to end.
    patience : float
        How many seconds there may be no worker at all, before the work is given up.
    """

    def __init__(
        self, client: Client, cluster: LocalCluster | None = None, patience: float = START
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._inner = client.get_executor(pure=False)
        self._open: set[Future[Any]] = set()
        self._watch = Watch(client, patience, self._give_up)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a piece of work."""
        if self._client.status != "running":
            raise WorkerDied(f"the connection to the dask scheduler is {self._client.status}")
        told: Future[Any] = Future()
        self._open.add(told)
        told.add_done_callback(self._open.discard)
        inner = self._inner.submit(fn, *args, **kwargs)
        inner.add_done_callback(lambda done: _tell(done, told))
        told.add_done_callback(lambda done: inner.cancel() if done.cancelled() else None)
        return told

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the connection, and end the workers if they are ours."""
        self._watch.end()
        self._inner.shutdown(wait=wait and self._client.status == "running")
        # a machine that is too busy to close them in time must not cost what they computed
        with suppress(TimeoutError):
            self._client.close(CLOSE)
        if self._cluster is not None:
            try:
                self._cluster.close(CLOSE)
            except TimeoutError:
                self._kill()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:  # nobody wants what is under way
            self._kill()
        self.shutdown(wait=kind is None)

    def _give_up(self, why: str) -> None:
        error = EngineError(
            f"{why}: they ended, or were killed; start some and run again, what is finished is kept"
        )
        for told in list(self._open):
            with suppress(InvalidStateError):  # it was done in this very moment
                told.set_exception(error)

    def _kill(self) -> None:
        """Kill the workers that are ours: asked to end, they would end their work first."""
        for nanny in self._cluster.workers.values() if self._cluster else ():
            nanny.auto_restart = False
            with suppress(ProcessLookupError):
                if nanny.pid:
                    os.kill(nanny.pid, signal.SIGKILL)


def _tell(done: Future[Any], told: Future[Any]) -> None:
    if told.done():  # cancelled by who asked for it
        return
    error = CancelledError() if done.cancelled() else done.exception()
    if isinstance(error, KilledWorker):
        error = WorkerDied(f"{error.allowed_failures + 1} dask workers died of it")
    elif isinstance(error, CancelledError):
        error = WorkerDied("the dask scheduler dropped it")
    with suppress(InvalidStateError):  # given up in this very moment
        if error is None:
            told.set_result(done.result())
        else:
            told.set_exception(error)


def silence_logs() -> None:
    """Let distributed log errors only, from now on.

    Whatever matters is raised. A cluster restores its level when it closes, while connections to
    workers that were killed still log how they broke, with a traceback.
    """
    for name in ("distributed", "distributed.client"):  # which has a level of its own
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.ERROR))


def open_local(workers: int, allowed_failures: int) -> DaskExecutor:
    """Start workers on this machine, one thread each, that only this machine can reach."""
    silence_logs()
    settings = {
        "distributed.scheduler.allowed-failures": allowed_failures,
        "distributed.comm.timeouts.connect": START,
        **NO_PROFILE,
    }
    with dask.config.set(settings), interrupts_held():
        try:
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # it serves its metrics even without a dashboard
                scheduler_kwargs={"dashboard": False},
                memory_limit=0,  # dask pauses what comes near a limit, for ever if it stays there
                silence_logs="ERROR",
            )
            return DaskExecutor(Client(cluster, timeout=START), cluster)
        except (OSError, RuntimeError, TimeoutError) as error:
            raise EngineError(
                f"dask's workers cannot be started: {error}; in a script, put what runs the "
                "pipeline below if __name__ == '__main__':"
            ) from error


def open_cluster(scheduler: str, wait: float) -> DaskExecutor:
    """Connect to a scheduler, by address or by scheduler file, and look at its workers."""
    silence_logs()
    client = _connect(scheduler)
    try:
        client.wait_for_workers(1, timeout=wait)
        require_same(client)
    except TimeoutError:
        client.close()
        raise EngineError(
            f"the dask scheduler {scheduler} has no workers after {wait:.0f} s; "
            "start some (dask worker ... --nthreads 1), or give a longer wait"
        ) from None
    except BaseException:
        client.close()
        raise
    return DaskExecutor(client, patience=wait)


def _connect(scheduler: str) -> Client:
    try:
        if "://" in scheduler:
            return Client(scheduler)
        if not Path(scheduler).is_file():
            raise EngineError(
                f"there is no scheduler file {scheduler}; expected an address (tcp://node1:8786) "
                "or the file that dask scheduler --scheduler-file wrote"
            )
        return Client(scheduler_file=scheduler)
    except (OSError, ValueError, TimeoutError) as error:
        raise EngineError(
            f"no dask scheduler answers at {scheduler}: {error}; is it running?"
        ) from error
