"""The watch: notices that a scheduler has lost all its workers, for which dask waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from distributed import Client

PERIOD = 2.0  # seconds between looks


class Watch:
    """Looks from time to time whether there are workers.

    Parameters
    ----------
    client : distributed.Client
        The connection to the scheduler.
    patience : float
        How many seconds there may be none.
    give_up : callable
        Called once, from another thread, with what is wrong.
    """

    def __init__(self, client: Client, patience: float, give_up: Callable[[str], None]) -> None:
        self._client = client
        self._patience = patience
        self._give_up = give_up
        self._ended = threading.Event()
        threading.Thread(target=self._look, name="skyred-dask-watch", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()

    def _look(self) -> None:
        seen = time.monotonic()
        while not self._ended.wait(PERIOD):
            if self._number():
                seen = time.monotonic()
            elif time.monotonic() - seen > self._patience and not self._ended.is_set():
                self._give_up(f"the dask scheduler has had no workers for {self._patience:.0f} s")
                return

    def _number(self) -> int:
        with suppress(Exception):  # whatever a connection that breaks raises: nobody is there
            return len(self._client.scheduler_info(n_workers=-1)["workers"])
        return 0
