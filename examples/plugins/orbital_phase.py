"""The stacker `sum-by-phase`: one stacked dataset for each bin of orbital phase of a binary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred import Stacker, Sum, component, hookimpl, option, quantity

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset, Datasets

SUM = Sum()  # the stacker of the runs in one bin


@component
class SumByPhase(Stacker):
    """Stack the runs in each bin of orbital phase, by the phase at mid-run."""

    kind = "sum-by-phase"
    period: Quantity = quantity(unit="d", min="1 h", max="1e5 d", doc="Orbital period.")
    reference: float = option(type=float, doc="Time of phase 0, an MJD (TDB), such as 57700.0.")
    bins: int = option(10, min=1, max=1000, doc="Number of bins of phase.")

    def name_pattern(self, name: str) -> str:
        """Return a pattern of the names of the datasets."""
        return f"{name}-phase-*"

    def zero(self, geometry: Any) -> Any:
        """Return a total: the geometry, and a total of the stacker `sum` for each bin."""
        return geometry, {}

    def add(self, total: Any, dataset: Dataset, observation: Observation) -> Any:
        """Add a dataset to the total of its bin."""
        geometry, stacks = total
        number = self.bin_of(observation)
        if number not in stacks:
            stacks[number] = SUM.zero(geometry.evolve(name=f"{geometry.name}-phase-{number:03d}"))
        stacks[number] = SUM.add(stacks[number], dataset, observation)
        return total

    def merge(self, left: Any, right: Any) -> Any:
        """Merge two totals, bin by bin."""
        (_, left_stacks), (_, right_stacks) = left, right
        for number, stack in right_stacks.items():
            if number in left_stacks:
                stack = SUM.merge(left_stacks[number], stack)
            left_stacks[number] = stack
        return left

    def result(self, total: Any) -> Datasets:
        """Return the datasets in the order of their phases."""
        from gammapy.datasets import Datasets

        _, stacks = total
        return Datasets([data for number in sorted(stacks) for data in SUM.result(stacks[number])])

    def bin_of(self, observation: Observation) -> int:
        """Return the bin of the phase at mid-run."""
        cycles = (observation.tmid.tdb.mjd - self.reference) / self.period.to_value("d")
        return int(np.floor(cycles % 1 * self.bins)) % self.bins


@hookimpl
def skyred_components() -> list[type]:
    """Return the stacker."""
    return [SumByPhase]
