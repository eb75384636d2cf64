"""Predicted counts and datasets that do not depend on the parameters that vary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.contribution import Contribution, Counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.bins import Bins
    from skyred.likelihood.compiled_dataset import CompiledDataset
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


class FixedCounts:
    """Sum of model contributions that do not depend on the parameters that vary.

    It is evaluated once, at the given parameter values.

    Parameters
    ----------
    contributions : sequence of Contribution
        The contributions.
    bins : Bins
        The bins of the dataset.
    state : array
        Values of all parameters, shape (m,).
    """

    name = ""
    exact = True
    free: frozenset[int] = frozenset()

    def __init__(self, contributions: Sequence[Contribution], bins: Bins, state: Vector) -> None:
        self.contributions, self.bins, self.state = contributions, bins, state
        self._may_be_negative = any(
            contribution.may_be_negative(state) for contribution in contributions
        )
        self.sum = sum_of_counts(contributions, len(bins), state)

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Indices of the parameters along which the counts may be non-smooth: none.

        Returns
        -------
        set of int
            An empty set.
        """
        return set()

    def bin_indices(self) -> slice:
        """Return all selected bins.

        Returns
        -------
        slice
            All selected bins.
        """
        return slice(None)

    def counts(self, state: Vector) -> Counts:
        """Return the constant predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,); not used.

        Returns
        -------
        Counts
            The predicted counts.
        """
        return self.sum

    def slopes(self, state: Vector, indices: frozenset[int]) -> Iterator[tuple[int, Counts]]:
        """Return an empty iterator: the counts are constant, so all derivatives are zero.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        iterator of (int, Counts)
            An empty iterator.
        """
        return iter(())

    def gradient(
        self, state: Vector, weights: Array, weight_of_total: float, indices: frozenset[int]
    ) -> Iterator[tuple[int, float]]:
        """Return an empty iterator: the counts are constant, so all derivatives are zero.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        weights : array
            Weights of the counts in the selected bins, shape (k,).
        weight_of_total : float
            Weight of the total counts.
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        iterator of (int, float)
            An empty iterator.
        """
        return iter(())

    def cube(self, state: Vector) -> Array:
        """Return the predicted counts in every bin.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts, shape (energies, y, x).
        """
        return sum_of_cubes(self.contributions, self.bins.mask.shape, self.state)

    def may_be_negative(self, state: Vector) -> bool:
        """Return whether any of the contributions may be negative.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether predicted counts may be negative.
        """
        return self._may_be_negative


class FixedDataset:
    """Dataset that does not depend on the parameters that vary.

    Parameters
    ----------
    dataset : CompiledDataset
        The dataset.
    state : array
        Values of all parameters, shape (m,).
    """

    exact = True

    def __init__(self, dataset: CompiledDataset, state: Vector) -> None:
        self.dataset, self.state, self.name = dataset, state, dataset.name
        self.constant_stat = dataset.stat(state)

    def stat(self, state: Vector) -> float:
        """Return the constant fit statistic.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,); not used.

        Returns
        -------
        float
            The fit statistic.
        """
        return self.constant_stat

    def gradient(self, state: Vector, indices: frozenset[int]) -> dict[int, float]:
        """Return an empty dictionary: the statistic is constant, so all derivatives are zero.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        dict of float
            An empty dictionary.
        """
        return {}

    def fisher(self, state: Vector, indices: frozenset[int]) -> tuple[Index, Array]:
        """Return an empty matrix: the statistic is constant, so all elements are zero.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        indices : array of int
            Empty, shape (0,).
        matrix : array
            Empty, shape (0, 0).
        """
        return np.zeros(0, dtype=int), np.zeros((0, 0))

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Indices of the parameters along which the statistic may be non-smooth: none.

        Returns
        -------
        set of int
            An empty set.
        """
        return set()

    def may_clip(self, state: Vector) -> bool:
        """Return False: the derivatives stay zero if negative predicted counts are set to zero.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            False.
        """
        return False

    def refresh(self, state: Vector) -> bool:
        """Return False: the IRFs of a fixed dataset do not change.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            False.
        """
        return False

    def condition(self, state: Vector, indices: frozenset[int]) -> FixedDataset:
        """Return the dataset with the other parameters fixed: the dataset itself.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters that vary.

        Returns
        -------
        FixedDataset
            The dataset itself.
        """
        return self

    def npred(self, state: Vector) -> Array:
        """Return the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts in the shape of the data.
        """
        return self.dataset.npred(self.state)


def sum_of_counts(contributions: Sequence[Contribution], n_bins: int, state: Vector) -> Counts:
    """Return the sum of the predicted counts of contributions.

    Parameters
    ----------
    contributions : sequence of Contribution
        The contributions.
    n_bins : int
        Number of selected bins.
    state : array
        Values of all parameters, shape (m,).

    Returns
    -------
    Counts
        Counts in the selected bins, shape (n_bins,), and summed over the mask.
    """
    by_bin, total = np.zeros(n_bins), 0.0
    for contribution in contributions:
        counts = contribution.counts(state)
        by_bin[contribution.bin_indices()] += counts.by_bin
        total += counts.total
    return Counts(by_bin, total)


def sum_of_cubes(
    contributions: Iterable[Contribution], shape: tuple[int, ...], state: Vector
) -> Array:
    """Return the sum of the predicted counts of contributions in every bin, masked or not.

    Parameters
    ----------
    contributions : iterable of Contribution
        The contributions.
    shape : tuple of int
        Shape of the data, (energies, y, x).
    state : array
        Values of all parameters, shape (m,).

    Returns
    -------
    array
        Predicted counts, shape (energies, y, x).
    """
    cube = np.zeros(shape)
    for contribution in contributions:
        cube += contribution.cube(state)
    return cube
