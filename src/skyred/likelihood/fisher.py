"""The Fisher matrix of a dataset, from blocks of model contributions that overlap.

A source covers only a part of the map, so most pairs of sources have few bins in common, or none.
A product of whole rows of derivatives would spend nearly all its time on zeros.
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
    """The derivatives of the predicted counts of one model contribution.

    Parameters
    ----------
    places : list of int
        The parameters, each once, shape (n,).
    rows : array of int or slice
        The chosen bins that the contribution reaches: k' of them, or all.
    slopes : array
        The derivatives in these bins, shape (n, k').
    """

    places: list[int]
    rows: Rows
    slopes: Array

    @classmethod
    def of(cls, part: Contribution, state: Vector, wanted: frozenset[int]) -> ContributionGradient:
        """Evaluate a model contribution; linked parameters of it add up."""
        slopes: dict[int, Array] = {}
        for place, slope in part.slopes(state, wanted):
            known = slopes.get(place)
            slopes[place] = slope.chosen if known is None else known + slope.chosen
        return cls(list(slopes), part.rows(), np.array(list(slopes.values())))

    @property
    def everywhere(self) -> bool:
        """Whether it reaches all chosen bins."""
        return isinstance(self.rows, slice)


def fisher_matrix(
    contributions: Sequence[ContributionGradient], weights: Array
) -> tuple[Index, Array]:
    """Return the sum over bins of weighted products of derivatives.

    Parameters
    ----------
    contributions : sequence of ContributionGradient
        Of the model contributions of a dataset.
    weights : array
        The second derivatives of the statistic by the predicted counts, shape (k,).

    Returns
    -------
    places : array of int
        The parameters, each once, shape (n,).
    matrix : array
        Shape (n, n).
    """
    ordered = sorted((each for each in contributions if each.places), key=lambda e: e.everywhere)
    places = list(dict.fromkeys(place for each in ordered for place in each.places))
    index = {place: at for at, place in enumerate(places)}
    matrix = np.zeros((len(places), len(places)))
    spread = _Spread(len(weights), max((len(each.places) for each in ordered), default=0))
    for number, first in enumerate(ordered):
        weighted = first.slopes * weights[first.rows]
        at = [index[place] for place in first.places]
        matrix[np.ix_(at, at)] += weighted @ first.slopes.T
        spread.put(first, weighted)
        for second in ordered[number + 1 :]:
            block = spread.product(first, weighted, second)
            if block is not None:
                other = [index[place] for place in second.places]
                matrix[np.ix_(at, other)] += block
                matrix[np.ix_(other, at)] += block.T
        spread.clear(first)
    return np.array(places, dtype=int), matrix


class _Spread:
    """The weighted derivatives of one contribution, spread on all chosen bins."""

    def __init__(self, bins: int, parameters: int) -> None:
        self.values = np.zeros((bins, parameters))
        self.reached = np.zeros(bins, dtype=bool)

    def put(self, first: ContributionGradient, weighted: Array) -> None:
        """Set the bins that a contribution reaches, unless it reaches all."""
        if not first.everywhere:
            self.values[first.rows, : len(weighted)] = weighted.T
            self.reached[first.rows] = True

    def clear(self, first: ContributionGradient) -> None:
        """Set them to zero again."""
        if not first.everywhere:
            self.values[first.rows] = 0
            self.reached[first.rows] = False

    def product(
        self, first: ContributionGradient, weighted: Array, second: ContributionGradient
    ) -> Array | None:
        """Return the products with another contribution; None if they have no bin in common."""
        if second.everywhere:
            return np.asarray(weighted @ second.slopes[:, first.rows].T)
        if not self.reached[second.rows].any():
            return None
        return np.asarray((second.slopes @ self.values[second.rows, : len(weighted)]).T)
