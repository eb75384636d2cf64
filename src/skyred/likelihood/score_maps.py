"""Score maps: derivatives of the likelihood by the amplitude of a point source in every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
from scipy import fft

from skyred.likelihood.contribution import DifferentiableCube
from skyred.likelihood.statistics import Cash, WStat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.datasets import CountsDataset
    from skyred.likelihood.source import SourceContribution

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

SMALLEST_FRACTION = 0.02  # smallest fraction of the information that remains
SMALLEST_COUNTS = 1e-12  # predicted counts, below which a bin carries no information


@attrs.define(eq=False)
class Maps:
    """Score and information of an amplitude in each pixel of one or more datasets.

    Parameters
    ----------
    score, information : array
        First and expected second derivatives, shape (y, x).
    cross : array
        Information in common with k other parameters, shape (k, y, x).
    fisher : array
        Fisher matrix of the other parameters, shape (k, k).
    """

    score: Array
    information: Array
    cross: Array
    fisher: Array

    @classmethod
    def of(cls, dataset: CountsDataset, state: Array, kernels: Array, indices: Index) -> Maps:
        """Compute the maps of one dataset.

        Parameters
        ----------
        dataset : CountsDataset
            The dataset.
        state : array
            Values of all parameters, shape (m,).
        kernels : array
            Counts of a point per unit amplitude, shape (energies, ky, kx).
        indices : array of int
            Indices in the state of the k other parameters.

        Returns
        -------
        Maps
            The maps.
        """
        first_order, second_order = _weights(dataset, state)
        shape, requested = first_order.shape[1:], frozenset(indices.tolist())
        correlate = Correlation(kernels, shape)
        # in every bin: of bins without counts the likelihood needs only the sum, but they have
        # information
        slopes = [np.zeros(first_order.shape) for _ in indices]
        positions = {index: position for position, index in enumerate(indices.tolist())}
        for contribution in dataset.contributions:
            if isinstance(contribution, DifferentiableCube):
                for index, slope in contribution.slope_cubes(state, requested):
                    slopes[positions[index]] += slope
        weighted = [second_order * slope for slope in slopes]
        cross = np.array([correlate(slope) for slope in weighted]).reshape(-1, *shape)
        fisher = np.array([[np.vdot(first, second) for second in slopes] for first in weighted])
        return cls(
            correlate(first_order),
            Correlation(kernels**2, shape)(second_order),
            cross,
            fisher.reshape(len(slopes), len(slopes)),
        )

    def __add__(self, maps: Maps) -> Maps:
        return Maps(
            self.score + maps.score,
            self.information + maps.information,
            self.cross + maps.cross,
            self.fisher + maps.fisher,
        )

    def remaining(self) -> Array:
        """Return the information with the other parameters fitted again.

        Returns
        -------
        array
            Information, shape (y, x).
        """
        if not len(self.fisher):
            return self.information
        own = np.diag(self.fisher)
        size = np.where(own > 0, 1 / np.sqrt(np.where(own > 0, own, 1)), 0)
        inverse = np.linalg.pinv(self.fisher * np.outer(size, size), rcond=1e-8, hermitian=True)
        cross = self.cross * size[:, None, None]
        degeneracy = np.einsum("kyx,kl,lyx->yx", cross, inverse, cross)
        smallest = SMALLEST_FRACTION * self.information
        return np.asarray(np.maximum(self.information - degeneracy, smallest))


class Correlation:
    """Correlation of images with the kernels of all energies, summed over the energies.

    Parameters
    ----------
    kernels : array
        Kernels, shape (energies, ky, kx), with odd ky and kx.
    shape : tuple of int
        Shape of the images, (y, x).
    """

    def __init__(self, kernels: Array, shape: tuple[int, int]) -> None:
        sizes = [size + k - 1 for size, k in zip(shape, kernels.shape[1:], strict=True)]
        self.padded = [fft.next_fast_len(size, real=True) for size in sizes]
        self.spectrum = fft.rfft2(kernels[:, ::-1, ::-1], self.padded)
        self.central = tuple(
            slice((k - 1) // 2, (k - 1) // 2 + size)
            for size, k in zip(shape, kernels.shape[1:], strict=True)
        )

    def __call__(self, weights: Array) -> Array:
        """Return the weighted sum for a point in each pixel.

        Parameters
        ----------
        weights : array
            Weights of the counts, shape (energies, y, x).

        Returns
        -------
        array
            Sums, shape (y, x).
        """
        product = np.einsum("eyx,eyx->yx", fft.rfft2(weights, self.padded), self.spectrum)
        return np.asarray(fft.irfft2(product, self.padded)[self.central])


def _weights(dataset: CountsDataset, state: Array) -> tuple[Array, Array]:
    """Return the derivatives of the log likelihood by the predicted counts, in every bin.

    The second derivative is the expected one, and positive.
    """
    shape, mask = dataset.bins.mask.shape, dataset.bins.mask
    if isinstance(dataset.statistic, WStat):
        slopes = dataset.statistic.derivatives(dataset.predict(state)[0])
        both = np.zeros((2, mask.size))
        both[:, dataset.bins.indices] = -slopes.first / 2, np.maximum(slopes.second / 2, 0)
        return both[0].reshape(shape), both[1].reshape(shape)
    if not isinstance(dataset.statistic, Cash):
        return np.zeros(shape), np.zeros(shape)
    predicted = dataset.npred(state)
    is_predicted = mask & (predicted > SMALLEST_COUNTS)
    inverse = np.where(is_predicted, 1 / np.where(is_predicted, predicted, 1), 0)
    return np.where(is_predicted, dataset.counts * inverse - 1, 0), inverse


def point_kernels(source: SourceContribution, state: Array) -> Array:
    """Return the counts of a point source at each energy, around the middle.

    The mean exposure of the cutout is used.

    Parameters
    ----------
    source : SourceContribution
        The source.
    state : array
        Values of all parameters, shape (m,).

    Returns
    -------
    array
        Counts, shape (energies, k, k).
    """
    response = source.response
    exposure = response.exposure.mean(axis=(1, 2))
    kernel = np.ones((len(exposure), 1, 1)) if response.kernel is None else response.kernel
    by_energy = response.migration * (source.flux(state) * exposure)[:, None]
    return np.tensordot(by_energy, kernel.astype(float), axes=(0, 0))
