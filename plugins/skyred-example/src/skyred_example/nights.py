"""The stacker `sum-by-night`: one stacked dataset for each night."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred import Stacker, component, merge_stacks, quantity

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset, Datasets


@dataclass
class Nights:
    """The total: a stacked dataset for each night with data.

    Parameters
    ----------
    geometry : Geometry
        The geometry, which creates the empty datasets; its name is the prefix of their names.
    stacks : dict of int to Dataset
        Datasets by night, the integer MJD of the day on which the night begins.
    """

    geometry: Any
    stacks: dict[int, Any] = field(default_factory=dict)


@component
class SumByNight(Stacker):
    """Stack the runs of each night into one dataset, named after the first day of the night."""

    kind = "sum-by-night"
    noon: Quantity = quantity(
        "12 h", min="0 h", max="24 h", doc="Time of day (UTC) that separates two nights."
    )

    def zero(self, geometry: Any) -> Nights:
        """Return a total without nights."""
        return Nights(geometry)

    def add(self, total: Nights, dataset: Dataset, observation: Observation) -> Nights:
        """Stack a dataset, inside its safe mask, onto the dataset of its night."""
        night = self.night(observation)
        if night not in total.stacks:
            name = f"{total.geometry.name}-{format_date(night)}"
            total.stacks[night] = total.geometry.target(name)
        stack = total.stacks[night]
        _check_type(stack, dataset)
        stack.stack(dataset)
        return total

    def merge(self, left: Nights, right: Nights) -> Nights:
        """Merge two totals night by night."""
        for night, stack in right.stacks.items():
            if night in left.stacks:
                _check_type(left.stacks[night], stack)
                merge_stacks(left.stacks[night], stack)
            else:
                left.stacks[night] = stack
        return left

    def result(self, total: Nights) -> Datasets:
        """Return the datasets in the order of their nights."""
        from gammapy.datasets import Datasets  # imported here because it takes seconds

        return Datasets([total.stacks[night] for night in sorted(total.stacks)])

    def night(self, observation: Observation) -> int:
        """Return the MJD of the day on which the night of an observation began."""
        return int(np.floor(observation.tmid.utc.mjd - self.noon.to_value("day")))


def format_date(night: int) -> str:
    """Format the first day of a night as YYYYMMDD."""
    from astropy.time import Time

    return str(Time(night, format="mjd", scale="utc").strftime("%Y%m%d"))


def _check_type(stack: Any, dataset: Any) -> None:
    if type(stack) is not type(dataset):
        raise TypeError(
            f"the stacker 'sum-by-night' cannot stack a {type(dataset).__name__} onto a "
            f"{type(stack).__name__}: expected the same type for every run"
        )
