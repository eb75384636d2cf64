"""A reduction of plain numbers, with a maker that kills its process or sleeps.

It does not need gammapy, so that workers start quickly. A run has the value ``1 / OBS_ID``: sums of
them depend, in the last bits, on their order.
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
    """A geometry of a number."""

    kind = "number"

    def target(self, name: str | None = None) -> Any:
        return SimpleNamespace(value=0.0, stat_type="", models=None)

    def cutout(self, target: Any, observation: Any, reduction: Reduction) -> Any:
        return SimpleNamespace(value=0.0, stat_type="", models=None)


@component
class Killer(Maker):
    """Kills its process, like the kernel when memory is low, or sleeps."""

    kind = "killer"
    victims: tuple[int, ...] = option((), type=int, many=True, doc="Runs that kill the process.")
    times: int = option(0, min=0, doc="Number of kills by each; 0 for always.")
    fails: tuple[int, ...] = option((), type=int, many=True, doc="Runs that only fail.")
    seconds: float = option(0.0, doc="Time that each run sleeps.")
    scene: str = option(".", doc="Folder for a file of each kill, and of each sleeping process.")

    def make(self, dataset: Any, observation: Any) -> Any:
        obs_id = int(observation.obs_id)
        if obs_id in self.victims:
            deaths = len(list(Path(self.scene).glob(f"{obs_id}-*")))
            if not self.times or deaths < self.times:
                Path(self.scene, f"{obs_id}-{deaths}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if obs_id in self.fails:
            raise RuntimeError("broken")
        if self.seconds:
            Path(self.scene, str(os.getpid())).touch()
            time.sleep(self.seconds)
        dataset.value += 1 / obs_id
        return dataset


@component
class Adder(Stacker):
    """Adds numbers."""

    kind = "adder"

    def zero(self, geometry: Geometry) -> Any:
        return 0.0

    def add(self, total: Any, dataset: Any, observation: Any) -> Any:
        return total + dataset.value

    def merge(self, left: Any, right: Any) -> Any:
        return left + right

    def result(self, total: Any) -> Any:
        return [total]


def chunks(maker: Killer, runs: int = 7, size: int = 3) -> list[Chunk]:
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
