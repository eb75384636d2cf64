"""The stacker `sum-by-phase`: one stacked dataset for each bin of orbital phase of a binary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred import Stacker, component, hookimpl, option, quantity

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset, Datasets


@component
class SumByPhase(Stacker):
    """Stack the runs in each bin of orbital phase, by the phase at mid-run."""

    kind = "sum-by-phase"
    period: Quantity = quantity(unit="d", min="1 h", max="1e5 d", doc="Orbital period.")
    reference: float = option(type=float, doc="Time of phase 0, an MJD (TDB), such as 57700.0.")
    bins: int = option(10, min=1, max=1000, doc="Number of bins of phase.")

    def zero(self, geometry: Any) -> dict[Any, Any]:
        """Return a total without datasets; the geometry creates empty ones."""
        return {"geometry": geometry}

    def add(self, total: dict[Any, Any], dataset: Dataset, observation: Observation) -> Any:
        """Stack a dataset, inside its safe mask, onto that of its phase."""
        number = self.bin_of(observation)
        if number not in total:
            name = f"{total['geometry'].name}-phase-{number:03d}"
            total[number] = total["geometry"].target(name)
        check_types(total[number], dataset)
        total[number].stack(dataset)
        return total

    def merge(self, left: dict[Any, Any], right: dict[Any, Any]) -> dict[Any, Any]:
        """Merge two totals, bin by bin."""
        for number, stack in right.items():
            if number == "geometry":
                continue
            if number in left:
                check_types(left[number], stack)
                merge_stacks(left[number], stack)
            else:
                left[number] = stack
        return left

    def result(self, total: dict[Any, Any]) -> Datasets:
        """Return the datasets in the order of their phases."""
        from gammapy.datasets import Datasets

        return Datasets([total[number] for number in sorted(set(total) - {"geometry"})])

    def bin_of(self, observation: Observation) -> int:
        """Return the bin of the phase at mid-run."""
        cycles = (observation.tmid.tdb.mjd - self.reference) / self.period.to_value("d")
        return int(np.floor(cycles % 1 * self.bins)) % self.bins


def check_types(stack: Any, dataset: Any) -> None:
    """Raise an error for datasets of two types, which gammapy would stack without a message."""
    if type(stack) is not type(dataset):
        types = f"{type(dataset).__name__} onto a {type(stack).__name__}"
        raise TypeError(f"the stacker 'sum-by-phase' cannot stack a {types}")


def merge_stacks(left: Any, right: Any) -> None:
    """Stack `right`, itself a stack that was masked run by run, onto `left`."""
    mask = left.mask_safe | right.mask_safe
    right.mask_safe.data = np.ones_like(right.mask_safe.data)  # IRFs are not masked again
    left.stack(right)
    left.mask_safe = mask


@hookimpl
def skyred_components() -> list[type]:
    """Return the stacker."""
    return [SumByPhase]
