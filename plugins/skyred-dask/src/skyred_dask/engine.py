"""The engine `dask`: workers of dask.distributed, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor

from skyred import Engine, Problem, component, cores, option, quantity


@component
class Dask(Engine):
    """Workers of dask.distributed, started on this machine or found by their scheduler."""

    kind = "dask"
    workers: int | None = option(
        None,
        type=int,
        min=1,
        doc="How many workers: by default one for each core; with a scheduler, how many it has.",
    )
    scheduler: str | None = option(
        None,
        type=str,
        doc="Address of a scheduler (node1:8786), or the path of its scheduler file; "
        "by default workers are started on this machine.",
    )
    wait = quantity(
        "5 min", min="0 s", doc="How long a scheduler may be without any worker, at most."
    )
    allowed_failures: int = option(
        1,
        min=0,
        doc="How many dead workers a chunk is tried on before it counts as lost, on this machine; "
        "a scheduler has its own (distributed.scheduler.allowed-failures).",
    )

    @property
    def slots(self) -> int:  # type: ignore[override]
        """How many pieces of work may run at once."""
        return self.workers or cores()

    def validate(self) -> Iterable[Problem]:
        """Ask for the number of workers of a scheduler: the look-ahead follows from it."""
        if self.scheduler and not self.workers:
            yield Problem(
                ("workers",),
                "a scheduler is given, but not how many workers it has",
                "give workers: so many chunks are sent at once, twice over",
            )

    def open(self) -> Executor:
        """Start workers, or find the scheduler's.

        Raises
        ------
        EngineError
            If there are none, or if they would not give the same numbers.
        """
        from skyred_dask.executor import open_cluster, open_local  # dask is slow to import

        if self.scheduler:
            return open_cluster(self.scheduler, float(self.wait.to_value("s")))
        return open_local(self.slots, self.allowed_failures)
