"""Datasets in a range of reconstructed energy, with the statistic as a function of a norm."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.likelihood.counts_dataset import CountsDataset
from skyred.likelihood.flux.norm_terms import CashTerm, WStatTerm
from skyred.likelihood.flux.profile import Term
from skyred.likelihood.statistics import Cash, WStat

if TYPE_CHECKING:
    from astropy import units as u
    from numpy.typing import NDArray

    from skyred.likelihood.likelihood import Likelihood
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]


@attrs.define(eq=False)
class Slice:
    """One dataset in a range of energy.

    Parameters
    ----------
    name : str
        The name of the dataset.
    edges : Quantity
        Lowest and highest energy of the range, shape (2,).
    counts : int
        Counts in the range and inside the mask.
    n_bins : int
        Number of bins in the range and inside the mask.
    term : Term
        The statistic along the norm.
    """

    name: str
    edges: u.Quantity
    counts: int
    n_bins: int
    term: Term


@attrs.define(eq=False, slots=False)
class SplitDataset:
    """A dataset, with its predicted counts split into those of the source and of all other models.

    Parameters
    ----------
    dataset : CountsDataset
        The compiled dataset.
    axis : gammapy.maps.MapAxis
        Its energy axis.
    signal : array
        Predicted counts of the source at norm one, shape (energies, y, x).
    background : array
        Predicted counts of all other models, shape (energies, y, x).
    """

    dataset: CountsDataset
    axis: Any
    signal: Array
    background: Array

    @cached_property
    def edges_key(self) -> bytes:
        """Edges of the energy axis as bytes, a key of cached bin ranges."""
        return self.axis.edges.to_value("TeV").tobytes()  # type: ignore[no-any-return]

    @classmethod
    def from_dataset(
        cls, dataset: CountsDataset, axis: Any, source: str, state: Vector
    ) -> SplitDataset:
        """Evaluate the model contributions of a dataset.

        Parameters
        ----------
        dataset : CountsDataset
            The compiled dataset.
        axis : gammapy.maps.MapAxis
            Its energy axis.
        source : str
            The name of the source.
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        SplitDataset
            The dataset, split.
        """
        shape = dataset.bins.mask.shape
        signal, background = np.zeros(shape), np.zeros(shape)
        for contribution in dataset.contributions:
            counts = signal if contribution.name == source else background
            counts += contribution.cube(state)
        return cls(dataset, axis, signal, background)

    def slice(self, first: int, last: int, sign: int = 1) -> Slice:
        """Return the dataset in a range of energy bins.

        Parameters
        ----------
        first, last : int
            First bin, and the bin after the last one.
        sign : {-1, 1}
            Sign of the flux of the source, by which the signal is multiplied.

        Returns
        -------
        Slice
            The slice.
        """
        mask = self.dataset.bins.mask[first:last]
        signal, background = sign * self.signal[first:last][mask], self.background[first:last][mask]
        counts = self.dataset.counts[first:last][mask]
        edges = self.axis.edges[[first, last]]
        term = self._term(first, last, counts, signal, background)
        return Slice(self.dataset.name, edges, int(counts.sum()), int(mask.sum()), term)

    def range_mask(self, first: int, last: int) -> NDArray[np.bool_]:
        """Return the mask of the selected bins in a range of energy bins.

        Parameters
        ----------
        first, last : int
            First energy bin, and the bin after the last one.

        Returns
        -------
        array of bool
            The mask, shape (k,).
        """
        energy = np.unravel_index(self.dataset.bins.indices, self.signal.shape)[0]
        return np.asarray((energy >= first) & (energy < last))

    def wstat(self, mask: NDArray[np.bool_]) -> WStat | None:
        """Return the statistic of on and off counts in a subset of the selected bins.

        Parameters
        ----------
        mask : array of bool
            Mask of the subset, shape (k,).

        Returns
        -------
        WStat or None
            The statistic; None for data without off counts.
        """
        statistic = self.dataset.statistic
        if not isinstance(statistic, WStat):
            return None
        return WStat(statistic.on[mask], statistic.off[mask], statistic.alpha[mask])

    def _term(self, first: int, last: int, counts: Array, signal: Array, background: Array) -> Term:
        statistic = self.wstat(self.range_mask(first, last))
        if statistic is None:
            return CashTerm(counts, signal, background)
        return WStatTerm(statistic, signal, background)


class EnergySlices:
    """Energy slices of all datasets of a likelihood, at the current parameter values.

    Parameters
    ----------
    likelihood : Likelihood
        Likelihood for which `can_slice` is true.
    source : str
        The name of the source.
    """

    def __init__(self, likelihood: Likelihood, source: str) -> None:
        state = likelihood.space.state()
        axes = [dataset._geom.axes["energy"] for dataset in likelihood.space.datasets]
        self.split_datasets = [
            SplitDataset.from_dataset(dataset, axis, source, state)
            for dataset, axis in zip(likelihood.datasets, axes, strict=True)
            if isinstance(dataset, CountsDataset)
        ]
        self.ranges: dict[tuple[bytes, float, float], tuple[int, int] | None] = {}

    def between(
        self,
        energy_min: u.Quantity,
        energy_max: u.Quantity,
        names: Collection[str] | None = None,
        sign: int = 1,
    ) -> list[Slice]:
        """Return slices of the datasets, with the bins that gammapy selects between two energies.

        Parameters
        ----------
        energy_min, energy_max : Quantity
            The energies.
        names : collection of str, optional
            Names of datasets; by default all.
        sign : {-1, 1}
            Sign of the flux of the source, by which the signal is multiplied.

        Returns
        -------
        list of Slice
            One slice for each dataset that has such bins.
        """
        ranges = self.bin_ranges(energy_min, energy_max, names)
        pairs = [(split, ranges.get(split.dataset.name)) for split in self.split_datasets]
        return [split.slice(*bins, sign) for split, bins in pairs if bins is not None]

    def bin_ranges(
        self, energy_min: u.Quantity, energy_max: u.Quantity, names: Collection[str] | None = None
    ) -> dict[str, tuple[int, int]]:
        """Return the ranges of bins that gammapy selects between two energies.

        Parameters
        ----------
        energy_min, energy_max : Quantity
            The energies.
        names : collection of str, optional
            Names of datasets; by default all.

        Returns
        -------
        dict of (int, int)
            First bin and the bin after the last one, by dataset.
        """
        bins_by_dataset = {}
        for split in self.split_datasets:
            if names is None or split.dataset.name in names:
                bins = self._find_bins(split, energy_min, energy_max)
                if bins is not None:
                    bins_by_dataset[split.dataset.name] = bins
        return bins_by_dataset

    def _find_bins(
        self, split: SplitDataset, energy_min: u.Quantity, energy_max: u.Quantity
    ) -> tuple[int, int] | None:
        key = split.edges_key, energy_min.to_value("TeV"), energy_max.to_value("TeV")
        if key not in self.ranges:
            self.ranges[key] = bins_between(split.axis, energy_min, energy_max)
        return self.ranges[key]

    def all(self) -> list[Slice]:
        """Return all datasets with all energy bins.

        Returns
        -------
        list of Slice
            One slice per dataset.
        """
        return [split.slice(0, len(split.signal)) for split in self.split_datasets]


def can_slice(likelihood: Likelihood) -> bool:
    """Return whether all datasets are compiled and contain counts.

    Parameters
    ----------
    likelihood : Likelihood
        The likelihood.

    Returns
    -------
    bool
        Whether `EnergySlices` can be used.
    """
    return all(
        isinstance(dataset, CountsDataset) and isinstance(dataset.statistic, Cash | WStat)
        for dataset in likelihood.datasets
    )


def bins_between(
    axis: Any, energy_min: u.Quantity, energy_max: u.Quantity
) -> tuple[int, int] | None:
    """Return the range of bins between two energies, as selected by gammapy.

    Parameters
    ----------
    axis : gammapy.maps.MapAxis
        The energy axis.
    energy_min, energy_max : Quantity
        The energies.

    Returns
    -------
    (int, int) or None
        First bin and the bin after the last one; None if there is no such bin.
    """
    from astropy import units as u

    try:
        groups = axis.group_table(edges=u.Quantity([energy_min, energy_max]))
    except ValueError:  # raised by gammapy if there is no such bin
        return None
    groups = groups[groups["bin_type"] == "normal   "]  # without underflow and overflow
    if len(groups) == 0:
        return None
    return int(groups["idx_min"][0]), int(groups["idx_max"][0]) + 1
