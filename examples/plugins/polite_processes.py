"""The engine `polite-processes`: worker processes with a low priority, for shared machines."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import Any

from skyred import Engine, block_interrupts, component, cores, hookimpl, option


@component
class PoliteProcesses(Engine):
    """Several processes on this machine that give way to other programs."""

    kind = "polite-processes"
    workers: int | None = option(
        None, type=int, min=1, doc="Number of processes; by default one per core."
    )
    niceness: int = option(10, min=0, max=19, doc="Niceness of the processes, as in nice(1).")

    @property
    def slots(self) -> int:  # type: ignore[override]
        """The number of tasks that may run at once."""
        return self.workers or cores()

    def open(self) -> Executor:
        """Create the process pool; the workers start with the first task."""
        return PolitePool(self.slots, self.niceness)


class PolitePool(ProcessPoolExecutor):
    """A pool of processes that is stopped at once after an exception.

    The processes are spawned: a fork would copy the locks of other threads. A killed worker raises
    `BrokenProcessPool`, after which skyred opens a new pool.
    """

    def __init__(self, workers: int, niceness: int) -> None:
        # not a function of this file: new workers cannot import a plugin in one file
        context = multiprocessing.get_context("spawn")
        super().__init__(workers, context, initializer=os.nice, initargs=(niceness,))

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a task; workers, which start here, ignore Ctrl-C."""
        with block_interrupts():
            return super().submit(fn, *args, **kwargs)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        processes = list((self._processes or {}).values())
        if exc_type is not None:  # the results are no longer needed
            self.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
        super().__exit__(exc_type, exc_value, traceback)


@hookimpl
def skyred_components() -> list[type]:
    """Return the engine."""
    return [PoliteProcesses]
