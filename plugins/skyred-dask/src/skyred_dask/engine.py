"""The engine `dask`: workers of dask.distributed, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor

from skyred import Engine, Problem, component, cores, option, quantity


@component
class Dask(Engine):
    """Workers of dask.distributed, started on this machine or connected to a scheduler."""

    kind = "dask"
    workers: int | None = option(
        None,
        type=int,
        min=1,
        doc="Number of workers, by default one per core; with a scheduler, the number of its "
        "workers (required).",
    )
    scheduler: str | None = option(
        None,
        type=str,
        doc="Address of a scheduler (tcp://node1:8786), or the path of its scheduler file; "
        "by default workers are started on this machine.",
    )
    wait = quantity("5 min", min="0 s", doc="Longest time that a scheduler may have no workers.")
    allowed_failures: int = option(
        1,
        min=0,
        doc="Number of worker deaths after which a chunk is still retried, on this machine; "
        "a scheduler has its own setting (distributed.scheduler.allowed-failures).",
    )

    @property
    def slots(self) -> int:  # type: ignore[override]
        """Number of tasks that may run at once."""
        return self.workers or cores()

    def validate(self) -> Iterable[Problem]:
        """Yield a problem if a scheduler is set without its number of workers."""
        if self.scheduler and not self.workers:
            yield Problem(
                ("workers",),
                "is not set, but scheduler is",
                "expected the number of workers of the scheduler",
            )

    def open(self) -> Executor:
        """Start workers, or connect to the scheduler.

        Raises
        ------
        EngineError
            If there are no workers, or if their environment differs from this one.
        """
        from skyred_dask.executor import open_cluster, open_local  # dask is slow to import

        if self.scheduler:
            return open_cluster(self.scheduler, float(self.wait.to_value("s")))
        return open_local(self.slots, self.allowed_failures)
