"""Score maps: derivatives of log L with respect to the amplitude of a source in each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
from scipy import fft

from skyred.likelihood.contribution import DifferentiableCube
from skyred.likelihood.statistics import Cash, WStat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.counts_dataset import CountsDataset
    from skyred.likelihood.source import SourceContribution

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

MIN_FRACTION = 0.02  # of the information: at least this remains after a refit of the others
MIN_COUNTS = 1e-12  # predicted counts below which a bin is ignored


@attrs.define(eq=False)
class ScoreMaps:
    """Score and information of an amplitude in each pixel of one or more datasets.

    Parameters
    ----------
    score, information : array
        First and second derivatives of the log likelihood with respect to the amplitude, the second
        with a positive sign, shape (y, x).
    cross : array
        Elements of the Fisher matrix for the amplitude and each of k other parameters, shape
        (k, y, x).
    fisher : array
        Fisher matrix of the other parameters, shape (k, k).
    """

    score: Array
    information: Array
    cross: Array
    fisher: Array

    @classmethod
    def from_dataset(
        cls, dataset: CountsDataset, state: Array, kernels: Array, indices: Index
    ) -> ScoreMaps:
        """Compute the maps of one dataset.

        Parameters
        ----------
        dataset : CountsDataset
            The dataset.
        state : array
            Values of all parameters, shape (m,).
        kernels : array
            Counts of a point source per unit amplitude, shape (energies, ky, kx).
        indices : array of int
            State indices of the k other parameters.

        Returns
        -------
        ScoreMaps
            The maps.
        """
        first_order, second_order = _derivatives_by_counts(dataset, state)
        shape, requested_indices = first_order.shape[1:], frozenset(indices.tolist())
        correlate = Correlation(kernels, shape)
        # in every bin: bins without counts are not selected, but contribute to the information
        slopes = [np.zeros(first_order.shape) for _ in indices]
        positions = {index: position for position, index in enumerate(indices.tolist())}
        for contribution in dataset.contributions:
            if isinstance(contribution, DifferentiableCube):
                for index, slope in contribution.slope_cubes(state, requested_indices):
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

    def __add__(self, maps: ScoreMaps) -> ScoreMaps:
        return ScoreMaps(
            self.score + maps.score,
            self.information + maps.information,
            self.cross + maps.cross,
            self.fisher + maps.fisher,
        )

    def profiled_information(self) -> Array:
        """Return the information on the amplitude if the other parameters are refitted.

        Returns
        -------
        array
            Information, shape (y, x).
        """
        if not len(self.fisher):
            return self.information
        diagonal = np.diag(self.fisher)
        scale = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1)), 0)
        inverse = np.linalg.pinv(self.fisher * np.outer(scale, scale), rcond=1e-8, hermitian=True)
        cross = self.cross * scale[:, None, None]
        loss = np.einsum("kyx,kl,lyx->yx", cross, inverse, cross)
        return np.asarray(np.maximum(self.information - loss, MIN_FRACTION * self.information))


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
        self.padded_shape = [fft.next_fast_len(size, real=True) for size in sizes]
        self.spectrum = fft.rfft2(kernels[:, ::-1, ::-1], self.padded_shape)
        self.central_slices = tuple(
            slice((k - 1) // 2, (k - 1) // 2 + size)
            for size, k in zip(shape, kernels.shape[1:], strict=True)
        )

    def __call__(self, weights: Array) -> Array:
        """Return the weighted sum of the kernel around each pixel.

        Parameters
        ----------
        weights : array
            Weights of the bins, shape (energies, y, x).

        Returns
        -------
        array
            Sums, shape (y, x).
        """
        product = np.einsum("eyx,eyx->yx", fft.rfft2(weights, self.padded_shape), self.spectrum)
        return np.asarray(fft.irfft2(product, self.padded_shape)[self.central_slices])


def _derivatives_by_counts(dataset: CountsDataset, state: Array) -> tuple[Array, Array]:
    """Return the derivatives of the log likelihood with respect to the predicted counts.

    The second derivatives are those of the negative log likelihood, so they are positive. For
    `Cash` they are expectation values. For `ChiSquare`, arrays of zeros are returned.
    """
    shape, mask = dataset.bins.mask.shape, dataset.bins.mask
    if isinstance(dataset.statistic, WStat):
        derivatives = dataset.statistic.derivatives(dataset.predict(state)[0])
        first, second = np.zeros(mask.size), np.zeros(mask.size)
        first[dataset.bins.indices] = -derivatives.first / 2
        second[dataset.bins.indices] = np.maximum(derivatives.second / 2, 0)
        return first.reshape(shape), second.reshape(shape)
    if not isinstance(dataset.statistic, Cash):
        return np.zeros(shape), np.zeros(shape)
    predicted = dataset.npred(state)
    is_predicted = mask & (predicted > MIN_COUNTS)
    inverse = np.where(is_predicted, 1 / np.where(is_predicted, predicted, 1), 0)
    return np.where(is_predicted, dataset.counts * inverse - 1, 0), inverse


def point_kernels(source: SourceContribution, state: Array) -> Array:
    """Return the predicted counts of a point source with the flux of a source, by pixel around it.

    They are computed with the mean exposure of the cutout.

    Parameters
    ----------
    source : SourceContribution
        The source.
    state : array
        Values of all parameters, shape (m,).

    Returns
    -------
    array
        Predicted counts, shape (energies, k, k).
    """
    response = source.response
    exposure = response.exposure.mean(axis=(1, 2))
    kernel = np.ones((len(exposure), 1, 1)) if response.kernel is None else response.kernel
    by_energy = response.migration * (source.flux(state) * exposure)[:, None]
    return np.tensordot(by_energy, kernel.astype(float), axes=(0, 0))
