"""The stackers `sum` (one dataset of all runs) and `keep` (one dataset a run, for a joint fit)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyred.components.stackers.scripted import write_empty
from skyred.components.stackers.stacking import Stack, add_to, merged, mixed_types
from skyred.interfaces import Geometry, Stacker, component

if TYPE_CHECKING:
    import numpy as np
    from gammapy.data import Observation
    from gammapy.datasets import Dataset, Datasets
    from numpy.typing import NDArray

    from skyred.scripting import Script


@component
class Sum(Stacker):
    """Stack all runs into one dataset."""

    kind = "sum"
    one_dataset = True

    def minimum_size(self, coverage_fractions: NDArray[np.float64]) -> float:
        """Give that of one dataset."""
        return 1.0

    def zero(self, geometry: Geometry) -> Stack:
        """Give the total of nothing yet."""
        return Stack(geometry)

    def add(self, total: Stack, dataset: Dataset, observation: Observation) -> Stack:
        """Stack one more dataset onto the total, inside its safe mask."""
        return add_to(total, dataset)

    def merge(self, left: Stack, right: Stack) -> Stack:
        """Stack the right total onto the left one."""
        return merged(left, right)

    def result(self, total: Stack) -> Datasets:
        """Give the stacked dataset, or none."""
        from gammapy.datasets import Datasets

        return Datasets([] if total.dataset is None else [total.dataset])

    def write_script(self, script: Script) -> None:
        """Stack onto an empty dataset of the type that the makers give."""
        write_empty(script, script.body, "stacked", f'"{script.entry}"')
        script.loop.add("stacked.stack(dataset)")
        script.datasets = "Datasets([stacked])"
        script.made(alone=True)


@component
class Keep(Stacker):
    """Keep one dataset for each run, for a joint fit."""

    kind = "keep"

    def minimum_size(self, coverage_fractions: NDArray[np.float64]) -> float:
        """Give that of all runs."""
        return float(coverage_fractions.sum())

    def zero(self, geometry: Geometry) -> list[Any]:
        """Give the total of nothing yet."""
        return []

    def add(self, total: list[Any], dataset: Dataset, observation: Observation) -> list[Any]:
        """Put a copy of the dataset behind the others."""
        if total and type(total[0]) is not type(dataset):
            raise mixed_types(total[0], dataset)
        total.append(dataset.copy(name=dataset.name))
        return total

    def merge(self, left: list[Any], right: list[Any]) -> list[Any]:
        """Put the right datasets behind the left ones."""
        if left and right and type(left[0]) is not type(right[0]):
            raise mixed_types(left[0], right[0])
        left.extend(right)
        return left

    def result(self, total: list[Any]) -> Datasets:
        """Give the datasets, in the order of the runs."""
        from gammapy.datasets import Datasets

        return Datasets(total)

    def write_script(self, script: Script) -> None:
        """Put the datasets behind one another."""
        script.body.add("datasets = Datasets()")
        script.loop.add("datasets.append(dataset)")
        script.made(alone=False)
