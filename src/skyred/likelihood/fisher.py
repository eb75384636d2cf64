"""Fisher matrix of a dataset, computed in blocks of overlapping model contributions.

A source covers only a part of the map, so most pairs of sources have few bins in common, or none.
A product of full rows of derivatives would mostly multiply zeros.
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
    Rows = Index | slice


@attrs.frozen(eq=False)
class ContributionGradient:
    """Derivatives of the predicted counts of one model contribution.

    Parameters
    ----------
    indices : list of int
        Indices of the parameters in the state, unique, shape (n,).
    rows : array of int or slice
        The selected bins that the contribution reaches: k' of them, or all.
    slopes : array
        The derivatives in these bins, shape (n, k').
    """

    indices: list[int]
    rows: Rows
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
            Indices in the state of the parameters to differentiate by.

        Returns
        -------
        ContributionGradient
            The derivatives.
        """
        slopes: dict[int, Array] = {}
        for index, slope in contribution.slopes(state, indices):
            earlier = slopes.get(index)
            slopes[index] = slope.by_bin if earlier is None else earlier + slope.by_bin
        return cls(list(slopes), contribution.rows(), np.array(list(slopes.values())))

    @property
    def reaches_all_bins(self) -> bool:
        """Whether the contribution reaches all selected bins."""
        return isinstance(self.rows, slice)


def fisher_matrix(
    contributions: Sequence[ContributionGradient], weights: Array
) -> tuple[Index, Array]:
    """Return the sum over bins of weighted products of derivatives.

    Parameters
    ----------
    contributions : sequence of ContributionGradient
        Derivatives of the model contributions of a dataset.
    weights : array
        The second derivatives of the statistic by the predicted counts, shape (k,).

    Returns
    -------
    indices : array of int
        Indices of the parameters in the state, unique, shape (n,).
    matrix : array
        The Fisher matrix, shape (n, n).
    """
    ordered = sorted(
        (item for item in contributions if item.indices), key=lambda i: i.reaches_all_bins
    )
    indices = list(dict.fromkeys(index for item in ordered for index in item.indices))
    positions = {index: position for position, index in enumerate(indices)}
    matrix = np.zeros((len(indices), len(indices)))
    scattered = _ScatteredSlopes(
        len(weights), max((len(item.indices) for item in ordered), default=0)
    )
    for number, first in enumerate(ordered):
        weighted = first.slopes * weights[first.rows]
        first_positions = [positions[index] for index in first.indices]
        matrix[np.ix_(first_positions, first_positions)] += weighted @ first.slopes.T
        scattered.set(first, weighted)
        for second in ordered[number + 1 :]:
            block = scattered.product(first, weighted, second)
            if block is not None:
                second_positions = [positions[index] for index in second.indices]
                matrix[np.ix_(first_positions, second_positions)] += block
                matrix[np.ix_(second_positions, first_positions)] += block.T
        scattered.clear(first)
    return np.array(indices, dtype=int), matrix


class _ScatteredSlopes:
    """Weighted derivatives of one contribution in all selected bins."""

    def __init__(self, bins: int, parameters: int) -> None:
        self.values = np.zeros((bins, parameters))
        self.reached = np.zeros(bins, dtype=bool)

    def set(self, first: ContributionGradient, weighted: Array) -> None:
        """Set the values in the bins that a contribution reaches, unless it reaches all."""
        if not first.reaches_all_bins:
            self.values[first.rows, : len(weighted)] = weighted.T
            self.reached[first.rows] = True

    def clear(self, first: ContributionGradient) -> None:
        """Reset these values to zero."""
        if not first.reaches_all_bins:
            self.values[first.rows] = 0
            self.reached[first.rows] = False

    def product(
        self, first: ContributionGradient, weighted: Array, second: ContributionGradient
    ) -> Array | None:
        """Return the products with another contribution; None if they have no bin in common."""
        if second.reaches_all_bins:
            return np.asarray(weighted @ second.slopes[:, first.rows].T)
        if not self.reached[second.rows].any():
            return None
        return np.asarray((second.slopes @ self.values[second.rows, : len(weighted)]).T)
