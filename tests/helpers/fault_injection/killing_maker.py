"""A reduction of plain numbers, with a maker that kills its process or sleeps.

It does not import gammapy, so that workers start quickly. The value of a run is ``1 / OBS_ID``:
the last bits of sums of such values depend on their order.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from skyred import Maker, Reduction, Stacker, component, option
from skyred.interfaces import Geometry
from skyred.run.worker import Chunk


@component
class NumberGeometry(Geometry):
    """A geometry whose datasets hold one number."""

    kind = "number"

    def target(self, name: str | None = None) -> Any:
        return SimpleNamespace(value=0.0, stat_type="", models=None)

    def cutout(self, target: Any, observation: Any, reduction: Reduction) -> Any:
        return SimpleNamespace(value=0.0, stat_type="", models=None)


@component
class KillingMaker(Maker):
    """Kill the process, like the kernel does when memory is low, or sleep."""

    kind = "killer"
    killing_runs: tuple[int, ...] = option(
        (), type=int, many=True, doc="Runs that kill the process."
    )
    max_kills: int = option(0, min=0, doc="Number of kills by each run; 0 for unlimited.")
    failing_runs: tuple[int, ...] = option((), type=int, many=True, doc="Runs that raise an error.")
    seconds: float = option(0.0, doc="Time that each run sleeps.")
    state_folder: str = option(".", doc="Folder with a file for each kill and sleeping process.")

    def make(self, dataset: Any, observation: Any) -> Any:
        obs_id = int(observation.obs_id)
        if obs_id in self.killing_runs:
            kills = len(list(Path(self.state_folder).glob(f"{obs_id}-*")))
            if not self.max_kills or kills < self.max_kills:
                Path(self.state_folder, f"{obs_id}-{kills}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if obs_id in self.failing_runs:
            raise RuntimeError("broken")
        if self.seconds:
            Path(self.state_folder, str(os.getpid())).touch()
            time.sleep(self.seconds)
        dataset.value += 1 / obs_id
        return dataset


@component
class Adder(Stacker):
    """Add numbers."""

    kind = "adder"

    def zero(self, geometry: Geometry) -> Any:
        return 0.0

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        return total + dataset.value

    def merge(self, left: Any, right: Any) -> Any:
        return left + right

    def result(self, total: Any) -> Any:
        return [total]


def chunks(maker: KillingMaker, runs: int = 7, size: int = 3) -> list[Chunk]:
    """Return runs 1 to `runs` in chunks."""
    reduction = Reduction(
        archive="none", geometry=NumberGeometry(), make=[maker], stack=Adder(chunk=size)
    )
    ids = range(1, runs + 1)
    return [
        Chunk(
            "toy",
            reduction,
            reduction.make,
            tuple(SimpleNamespace(obs_id=i) for i in ids[first : first + size]),
        )
        for first in range(0, runs, size)
    ]
