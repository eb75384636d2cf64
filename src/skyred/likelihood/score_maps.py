"""Score maps: the first and second derivatives by the amplitude of a point, in every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
from scipy.signal import fftconvolve

from skyred.likelihood.statistics import Cash, WStat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.datasets import CountsDataset
    from skyred.likelihood.source import SourceContribution

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

LEAST = 0.02  # of the information, which is left at least
SMALLEST = 1e-12  # predicted counts, below which a bin carries no information


@attrs.define(eq=False)
class Maps:
    """Score and information of an amplitude in each pixel of one or more datasets.

    Parameters
    ----------
    score, information : array
        Shape (y, x).
    cross : array
        Information in common with k other parameters, shape (k, y, x).
    fisher : array
        Information of those, shape (k, k).
    """

    score: Array
    information: Array
    cross: Array
    fisher: Array

    @classmethod
    def of(
        cls, dataset: CountsDataset, state: Array, kernels: Array, places: Index, steps: Array
    ) -> Maps:
        """Compute them for one dataset."""
        first_order, second_order = _weights(dataset, state)
        slopes = [_slope(dataset, state, *each) for each in zip(places, steps, strict=True)]
        weighted = [second_order * slope for slope in slopes]
        shape = first_order.shape[1:]
        cross = [_correlate(each, kernels) for each in weighted]
        fisher = [[float((one * two).sum()) for two in slopes] for one in weighted]
        return cls(
            _correlate(first_order, kernels),
            _correlate(second_order, kernels**2),
            np.array(cross).reshape(len(slopes), *shape),
            np.array(fisher).reshape(len(slopes), len(slopes)),
        )

    def __add__(self, other: Maps) -> Maps:
        return Maps(
            self.score + other.score,
            self.information + other.information,
            self.cross + other.cross,
            self.fisher + other.fisher,
        )

    def remaining(self) -> Array:
        """Return the information with the other parameters fitted again, shape (y, x)."""
        if not len(self.fisher):
            return self.information
        own = np.diag(self.fisher)
        size = np.where(own > 0, 1 / np.sqrt(np.where(own > 0, own, 1)), 0)
        inverse = np.linalg.pinv(self.fisher * np.outer(size, size), rcond=1e-8, hermitian=True)
        cross = self.cross * size[:, None, None]
        taken = np.einsum("kyx,kl,lyx->yx", cross, inverse, cross)
        return np.asarray(np.maximum(self.information - taken, LEAST * self.information))


def _correlate(weights: Array, kernels: Array) -> Array:
    """Return the weighted sums of a point in each pixel, over all energies, shape (y, x)."""
    total = np.zeros(weights.shape[1:])
    for plane, kernel in zip(weights, kernels, strict=True):
        total += fftconvolve(plane, kernel[::-1, ::-1], mode="same")
    return total


def _slope(dataset: CountsDataset, state: Array, place: int, step: float) -> Array:
    """Return the derivative of the predicted counts in every bin, by differences."""
    slope = np.zeros(dataset.bins.mask.shape)
    for part in dataset.parts:
        if int(place) in part.free:
            low, high = state.copy(), state.copy()
            low[place], high[place] = state[place] - step, state[place] + step
            slope += (part.cube(high) - part.cube(low)) / (2 * step)
    return slope


def _weights(dataset: CountsDataset, state: Array) -> tuple[Array, Array]:
    """Return the derivatives of the log likelihood by the predicted counts, in every bin.

    The second with the expected counts in the place of the counts, and positive.
    """
    shape, mask = dataset.bins.mask.shape, dataset.bins.mask
    if isinstance(dataset.statistic, WStat):
        slopes = dataset.statistic.derivatives(dataset.predict(state)[0])
        both = np.zeros((2, mask.size))
        both[:, dataset.bins.chosen] = -slopes.first / 2, np.maximum(slopes.second / 2, 0)
        return both[0].reshape(shape), both[1].reshape(shape)
    if not isinstance(dataset.statistic, Cash):
        return np.zeros(shape), np.zeros(shape)
    predicted = dataset.npred(state)
    known = mask & (predicted > SMALLEST)
    inverse = np.where(known, 1 / np.where(known, predicted, 1), 0)
    return np.where(known, dataset.counts * inverse - 1, 0), inverse


def point_kernels(source: SourceContribution, state: Array) -> Array:
    """Return the counts of a point in each energy bin, around the middle, shape (energies, k, k).

    The exposure is taken to be the mean of the cutout.
    """
    response = source.response
    exposure = response.exposure.mean(axis=(1, 2))
    kernel = np.ones((len(exposure), 1, 1)) if response.kernel is None else response.kernel
    by_energy = response.migration * (source.flux(state) * exposure)[:, None]
    return np.tensordot(by_energy, kernel.astype(float), axes=(0, 0))
