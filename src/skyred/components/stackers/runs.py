"""The stackers `sum` (one dataset of all runs) and `keep` (one dataset per run)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from skyred.components.stackers.scripted import write_empty
from skyred.components.stackers.stacking import (
    Stack,
    merge_totals,
    require_same_type,
    stack_dataset,
)
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

    def name_pattern(self, name: str) -> str:
        """Return the name of the dataset.

        Parameters
        ----------
        name : str
            The name of the geometry.

        Returns
        -------
        str
            The same name.
        """
        return name

    def minimum_size(self, coverage_fractions: NDArray[np.float64]) -> float:
        """Return the size of one dataset.

        Parameters
        ----------
        coverage_fractions : numpy.ndarray
            The fraction of the geometry that each run covers, shape (n,).

        Returns
        -------
        float
            The minimum size, in units of the size of one dataset of the full geometry.
        """
        return 1.0

    def zero(self, geometry: Geometry) -> Stack:
        """Return an empty total.

        Parameters
        ----------
        geometry : Geometry
            The geometry of the datasets.

        Returns
        -------
        Stack
            The empty total.
        """
        return Stack(geometry)

    def add(self, total: Stack, dataset: Dataset, observation: Observation) -> Stack:
        """Stack a dataset onto the total, within its safe mask.

        Parameters
        ----------
        total : Stack
            The total, which is changed in place.
        dataset : gammapy.datasets.Dataset
            The dataset of the run, which is not changed.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        Stack
            The total with the dataset.

        Raises
        ------
        TypeError
            If the dataset and the total have different types.
        """
        return stack_dataset(total, dataset)

    def merge(self, left: Stack, right: Stack) -> Stack:
        """Stack the right total onto the left one.

        Parameters
        ----------
        left : Stack
            The total of the first runs, which is changed in place.
        right : Stack
            The total of the following runs, which may be changed.

        Returns
        -------
        Stack
            The merged total.

        Raises
        ------
        TypeError
            If the totals have datasets of different types.
        """
        return merge_totals(left, right)

    def result(self, total: Stack) -> Datasets:
        """Return the stacked dataset.

        Parameters
        ----------
        total : Stack
            The total of all runs.

        Returns
        -------
        gammapy.datasets.Datasets
            The stacked dataset; empty if no run was added.
        """
        from gammapy.datasets import Datasets

        return Datasets([] if total.dataset is None else [total.dataset])

    def write_script(self, script: Script) -> None:
        """Write code that stacks onto an empty dataset of the type that the makers return.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        write_empty(script, script.body, "stacked", f'"{script.entry}"')
        script.loop.add("stacked.stack(dataset)")
        script.datasets = "Datasets([stacked])"
        script.add_datasets(single=True)


@component
class Keep(Stacker):
    """Keep one dataset per run, for a joint fit."""

    kind = "keep"

    def name_pattern(self, name: str) -> str:
        """Return the pattern of the names of the datasets, which end with the OBS_IDs of the runs.

        Parameters
        ----------
        name : str
            The name of the geometry.

        Returns
        -------
        str
            The pattern.
        """
        return f"{name}-*"

    def minimum_size(self, coverage_fractions: NDArray[np.float64]) -> float:
        """Return the total size of the datasets of all runs.

        Parameters
        ----------
        coverage_fractions : numpy.ndarray
            The fraction of the geometry that each run covers, shape (n,).

        Returns
        -------
        float
            The minimum size, in units of the size of one dataset of the full geometry.
        """
        return float(coverage_fractions.sum())

    def zero(self, geometry: Geometry) -> list[Any]:
        """Return an empty total.

        Parameters
        ----------
        geometry : Geometry
            The geometry of the datasets.

        Returns
        -------
        list
            The empty total.
        """
        return []

    def add(self, total: list[Any], dataset: Dataset, observation: Observation) -> list[Any]:
        """Append a copy of the dataset.

        Parameters
        ----------
        total : list
            The total, which is changed in place.
        dataset : gammapy.datasets.Dataset
            The dataset of the run, which is not changed.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        list
            The total with the dataset.

        Raises
        ------
        TypeError
            If the dataset and the total have different types.
        """
        require_same_type(*total[:1], dataset)
        total.append(_copy_with_same_geometries(dataset))
        return total

    def merge(self, left: list[Any], right: list[Any]) -> list[Any]:
        """Append the datasets of the right total to the left one.

        Parameters
        ----------
        left : list
            The total of the first runs, which is changed in place.
        right : list
            The total of the following runs, which may be changed.

        Returns
        -------
        list
            The merged total.

        Raises
        ------
        TypeError
            If the totals have datasets of different types.
        """
        require_same_type(*left[:1], *right[:1])
        left.extend(right)
        return left

    def result(self, total: list[Any]) -> Datasets:
        """Return the datasets, in the order of the runs.

        Parameters
        ----------
        total : list
            The total of all runs.

        Returns
        -------
        gammapy.datasets.Datasets
            The datasets.
        """
        from gammapy.datasets import Datasets

        return Datasets(total)

    def write_script(self, script: Script) -> None:
        """Write code that appends the datasets to a list.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.body.add("datasets = Datasets()")
        script.loop.add("datasets.append(dataset)")
        script.add_datasets(single=False)


def _copy_with_same_geometries(dataset: Any) -> Any:
    """Return a copy of a dataset, as gammapy's `Dataset.copy`, without copying its geometries.

    Copying these takes most of the time, and gammapy never changes them.
    """
    from gammapy.datasets import Dataset
    from gammapy.irf import IRFMap
    from gammapy.maps import Map

    if type(dataset).copy is not Dataset.copy:
        return dataset.copy(name=dataset.name)
    parts = list(vars(dataset).values())
    parts += [vars(irf).get("_irf_map") for irf in parts if isinstance(irf, IRFMap)]
    parts += [irf.exposure_map for irf in parts if isinstance(irf, IRFMap)]
    geometries = {id(part.geom): part.geom for part in parts if isinstance(part, Map)}
    new_dataset = copy.deepcopy(dataset, geometries)
    new_dataset.models = None
    return new_dataset
