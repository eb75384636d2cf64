"""The stacker `sum-by-night`: one stacked dataset for each night, to be fitted together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred import Stacker, component, quantity

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset, Datasets


@dataclass
class Nights:
    """The total: a stacked dataset for each night that there is something of.

    Parameters
    ----------
    geometry : Geometry
        Gives the empty dataset that a night starts from, and what its name starts with.
    stacks : dict
        From the first MJD of a night, a whole number, to its dataset.
    """

    geometry: Any
    stacks: dict[int, Any] = field(default_factory=dict)


@component
class SumByNight(Stacker):
    """Stack the runs of each night into one dataset, called after the night's first day."""

    kind = "sum-by-night"
    noon: Quantity = quantity(
        "12 h", min="0 h", max="24 h", doc="Time of day (UTC) at which one night follows another."
    )

    def zero(self, geometry: Any) -> Nights:
        """Give the total without any night."""
        return Nights(geometry)

    def add(self, total: Nights, dataset: Dataset, observation: Observation) -> Nights:
        """Stack a dataset onto its night's, inside its safe mask."""
        night = self.night(observation)
        if night not in total.stacks:
            name = f"{total.geometry.name}-{date(night)}"
            total.stacks[night] = total.geometry.target(name)
        stack = total.stacks[night]
        _same_type(stack, dataset)
        stack.stack(dataset)
        return total

    def merge(self, left: Nights, right: Nights) -> Nights:
        """Merge night by night."""
        for night, stack in right.stacks.items():
            if night in left.stacks:
                _same_type(left.stacks[night], stack)
                merge_stacks(left.stacks[night], stack)
            else:
                left.stacks[night] = stack
        return left

    def result(self, total: Nights) -> Datasets:
        """Give the datasets, by night."""
        from gammapy.datasets import Datasets  # here: it takes seconds to import

        return Datasets([total.stacks[night] for night in sorted(total.stacks)])

    def night(self, observation: Observation) -> int:
        """Give the MJD of the day on which the night of an observation began."""
        return int(np.floor(observation.tmid.utc.mjd - self.noon.to_value("day")))


def date(night: int) -> str:
    """Write the day of a night as YYYYMMDD."""
    from astropy.time import Time

    return str(Time(night, format="mjd", scale="utc").strftime("%Y%m%d"))


def merge_stacks(left: Any, right: Any) -> None:
    """Stack the map dataset `right`, itself a stack, onto `left`.

    `MapDataset.stack` applies the other's safe mask to its responses, on their coarse pixels. That
    is right for one run; a stack was masked run by run when it was made, and would lose responses
    at its edge. So an all-True mask stands in for it, and the real masks are combined afterwards.
    """
    safe = left.mask_safe.copy()
    safe.data |= right.mask_safe.data
    everything = right.mask_safe.copy()
    everything.data[...] = True
    right.mask_safe = everything
    left.stack(right)
    left.mask_safe = safe


def _same_type(stack: Any, dataset: Any) -> None:
    if type(stack) is not type(dataset):
        raise TypeError(
            f"the stacker 'sum-by-night' cannot stack a {type(dataset).__name__} onto a "
            f"{type(stack).__name__}: expected the same type for every run"
        )
