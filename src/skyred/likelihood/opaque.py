"""gammapy's own evaluation, for what cannot be laid out flat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.parameters import Share
from skyred.likelihood.part import Counts, weighted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]

SLOPE_STEP = 0.01  # of a parameter's usual step


class OpaqueCounts:
    """Predicted counts that a function of gammapy's gives, bin by bin.

    Parameters
    ----------
    model : object
        The model, for its parameters.
    predict : callable
        Gives the predicted counts in every bin at the present values of the parameters.
    bins : Bins
        The bins of the dataset.
    space : ParameterSpace
        Where the parameters are found.
    """

    def __init__(
        self, model: Any, predict: Callable[[], Array], bins: Bins, space: ParameterSpace
    ) -> None:
        self.predict, self.bins, self.share = predict, bins, Share.of(model, space)
        self.name = str(model.name)
        self.exact = not self.share.free
        self.known: tuple[bytes | None, Array] = (None, np.zeros(bins.mask.shape))

    @property
    def rough(self) -> set[int]:
        """All that are free: what gammapy does is not known."""
        return {int(self.share.places[each]) for each in self.share.free}

    def rows(self) -> slice:
        """All of the chosen bins."""
        return slice(None)

    def _cube(self, values: Vector) -> Array:
        if values.tobytes() != self.known[0]:
            self.share.set(values)
            self.known = values.tobytes(), np.nan_to_num(self.predict())
        return self.known[1]

    def _counts(self, cube: Array) -> Counts:
        return Counts(self.bins.of(cube), float(cube[self.bins.mask].sum()))

    def counts(self, state: Vector) -> Counts:
        """Give the predicted counts."""
        return self._counts(self._cube(self.share.values(state)))

    def slopes(self, state: Vector) -> Iterator[tuple[int, Counts]]:
        """Give the derivatives, by differences."""
        for place, slope in self.share.slopes(self._cube, state, SLOPE_STEP):
            yield place, self._counts(slope)

    def gradient(self, state: Vector, weights: Array, weight: float) -> Iterator[tuple[int, float]]:
        """Give the weighted sums of the derivatives."""
        return weighted(self, state, weights, weight)

    def cube(self, state: Vector) -> Array:
        """Give the predicted counts in every bin."""
        return self._cube(self.share.values(state)).copy()

    def may_be_negative(self, state: Vector) -> bool:
        """Tell whether any predicted counts are negative."""
        return bool(self._cube(self.share.values(state)).min() < 0)
