"""Fisher matrix of a dataset, computed in blocks of overlapping model contributions.

A source covers only a part of the map, so most pairs of sources have few or no bins in common.
Derivatives in all bins would mostly be zeros, so only those in common bins are multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.contribution import Contribution
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    BinIndices = Index | slice


@attrs.frozen(eq=False)
class ContributionGradient:
    """Derivatives of the predicted counts of one model contribution.

    Parameters
    ----------
    indices : list of int
        State indices of the parameters, unique, shape (n,).
    bin_indices : array of int or slice
        Indices, among the selected bins, of those in which the contribution may have counts: k'
        of them, or all.
    slopes : array
        The derivatives in these bins, shape (n, k').
    """

    indices: list[int]
    bin_indices: BinIndices
    slopes: Array

    @classmethod
    def evaluate(
        cls, contribution: Contribution, state: Vector, indices: frozenset[int]
    ) -> ContributionGradient:
        """Evaluate the derivatives of a contribution; those of linked parameters are summed.

        Parameters
        ----------
        contribution : Contribution
            The model contribution.
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        ContributionGradient
            The derivatives.
        """
        slopes: dict[int, Array] = {}
        for index, slope in contribution.slopes(state, indices):
            previous = slopes.get(index)
            slopes[index] = slope.by_bin if previous is None else previous + slope.by_bin
        return cls(list(slopes), contribution.bin_indices(), np.array(list(slopes.values())))

    @property
    def covers_all_bins(self) -> bool:
        """Whether the contribution covers all selected bins."""
        return isinstance(self.bin_indices, slice)


def fisher_matrix(gradients: Sequence[ContributionGradient], weights: Array) -> tuple[Index, Array]:
    """Return the sum over bins of weighted products of derivatives.

    Parameters
    ----------
    gradients : sequence of ContributionGradient
        Derivatives of the model contributions of a dataset.
    weights : array
        The second derivatives of the statistic with respect to the predicted counts, shape (k,).

    Returns
    -------
    indices : array of int
        State indices of the parameters, unique, shape (n,).
    matrix : array
        The Fisher matrix, shape (n, n).
    """
    # contributions that cover all bins are last: as `second`, they need no scattered slopes
    ordered = sorted(
        (gradient for gradient in gradients if gradient.indices),
        key=lambda gradient: gradient.covers_all_bins,
    )
    indices = list(dict.fromkeys(index for gradient in ordered for index in gradient.indices))
    positions = {index: position for position, index in enumerate(indices)}
    matrix = np.zeros((len(indices), len(indices)))
    max_parameters = max((len(gradient.indices) for gradient in ordered), default=0)
    scattered_slopes = _ScatteredSlopes(len(weights), max_parameters)
    for number, first in enumerate(ordered):
        weighted_slopes = first.slopes * weights[first.bin_indices]
        first_positions = [positions[index] for index in first.indices]
        matrix[np.ix_(first_positions, first_positions)] += weighted_slopes @ first.slopes.T
        scattered_slopes.set(first, weighted_slopes)
        for second in ordered[number + 1 :]:
            block = scattered_slopes.product(first, weighted_slopes, second)
            if block is not None:
                second_positions = [positions[index] for index in second.indices]
                matrix[np.ix_(first_positions, second_positions)] += block
                matrix[np.ix_(second_positions, first_positions)] += block.T
        scattered_slopes.clear(first)
    return np.array(indices, dtype=int), matrix


class _ScatteredSlopes:
    """Weighted derivatives of one contribution, copied to an array of all selected bins."""

    def __init__(self, n_bins: int, n_parameters: int) -> None:
        self.values = np.zeros((n_bins, n_parameters))
        self.is_covered = np.zeros(n_bins, dtype=bool)

    def set(self, first: ContributionGradient, slopes: Array) -> None:
        """Set the values in the bins that a contribution covers, unless it covers all bins."""
        if not first.covers_all_bins:
            self.values[first.bin_indices, : len(slopes)] = slopes.T
            self.is_covered[first.bin_indices] = True

    def clear(self, first: ContributionGradient) -> None:
        """Reset the values in the bins that a contribution covers to zero."""
        if not first.covers_all_bins:
            self.values[first.bin_indices] = 0
            self.is_covered[first.bin_indices] = False

    def product(
        self, first: ContributionGradient, slopes: Array, second: ContributionGradient
    ) -> Array | None:
        """Return the products with a second contribution; None if they have no bin in common."""
        if second.covers_all_bins:
            return np.asarray(slopes @ second.slopes[:, first.bin_indices].T)
        if not self.is_covered[second.bin_indices].any():
            return None
        return np.asarray((second.slopes @ self.values[second.bin_indices, : len(slopes)]).T)
