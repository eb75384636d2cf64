"""Detection of schedulers that have lost all workers, because dask itself waits forever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from distributed import Client

PERIOD = 2.0  # seconds between two checks


class WorkerMonitor:
    """Checks periodically that the scheduler has workers, in a thread.

    Parameters
    ----------
    client : distributed.Client
        The connection to the scheduler.
    timeout : float
        Time without workers after which `on_timeout` is called, in seconds.
    on_timeout : callable
        Called once, from another thread, with the reason.
    """

    def __init__(self, client: Client, timeout: float, on_timeout: Callable[[str], None]) -> None:
        self._client = client
        self._timeout = timeout
        self._on_timeout = on_timeout
        self._stopped = threading.Event()
        threading.Thread(target=self._monitor, name="skyred-dask-monitor", daemon=True).start()

    def stop(self) -> None:
        """Stop checking."""
        self._stopped.set()

    def _monitor(self) -> None:
        last_seen = time.monotonic()
        while not self._stopped.wait(PERIOD):
            if self._count_workers():
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen > self._timeout and not self._stopped.is_set():
                self._on_timeout(f"the dask scheduler has had no workers for {self._timeout:.0f} s")
                return

    def _count_workers(self) -> int:
        with suppress(Exception):  # a broken connection may raise anything
            return len(self._client.scheduler_info(n_workers=-1)["workers"])
        return 0
