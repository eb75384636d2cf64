"""The counts of a source as a model contribution with one parameter, the norm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, weighted_slopes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]


class Signal:
    """Model contribution of the source, with its norm as the parameter.

    Parameters
    ----------
    counts : array
        Predicted counts at norm one in every bin, shape (energies, y, x).
    index : int
        Index of the norm in the state.
    bins : Bins
        The bins of the dataset.
    """

    name, exact = "", True

    def __init__(self, counts: Array, index: int, bins: Bins) -> None:
        self.template, self.index = counts, index
        self.free = frozenset([index])
        self.unit_counts = Counts(bins.select(counts), float(counts[bins.mask].sum()))

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Empty set: the counts are linear in the norm."""
        return set()

    def bin_indices(self) -> slice:
        """Return all selected bins.

        Returns
        -------
        slice
            All indices.
        """
        return slice(None)

    def counts(self, state: Vector) -> Counts:
        """Return the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        Counts
            The predicted counts.
        """
        norm = float(state[self.index])
        return Counts(norm * self.unit_counts.by_bin, norm * self.unit_counts.total)

    def slopes(self, state: Vector, indices: frozenset[int]) -> Iterator[tuple[int, Counts]]:
        """Yield the derivative of the predicted counts with respect to the norm.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            Ignored.

        Yields
        ------
        (int, Counts)
            Index of the norm in the state, and the derivative.
        """
        yield self.index, self.unit_counts

    def gradient(
        self, state: Vector, weights: Array, weight_of_total: float, indices: frozenset[int]
    ) -> Iterator[tuple[int, float]]:
        """Return the derivative of a weighted sum of the predicted counts with respect to the norm.

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
            Index of the norm in the state, and the derivative.
        """
        return weighted_slopes(self, state, weights, weight_of_total, indices)

    def cube(self, state: Vector) -> Array:
        """Return the predicted counts in every bin, masked or not.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts, shape (energies, y, x).
        """
        return float(state[self.index]) * self.template

    def may_be_negative(self, state: Vector) -> bool:
        """Return whether the norm is negative.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether predicted counts may be negative.
        """
        return bool(state[self.index] < 0)
