"""Layers: data of one dataset in one range of energy, with the kernels of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from scipy.signal import fftconvolve

from skyred.likelihood.statistics import TRUNCATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

ROUNDING = 1e-12  # of the largest signal: rounding errors of a convolution without signal


@attrs.frozen(eq=False)
class Layer:
    """Counts, predicted counts and kernels on a map, padded so that kernels fit at its edges.

    A source of norm one in pixel ``(j, i)`` predicts ``exposure[g, y, x] * kernels[pattern[y, x],
    g, y - j, x - i]`` counts in the (padded) bin ``(g, y, x)``.

    Parameters
    ----------
    counts : array
        Counts, shape (g, ny + ky - 1, nx + kx - 1).
    background : array
        Predicted counts without the source, of the same shape.
    exposure : array
        Predicted counts of a source of norm one in each pixel, if all of its counts were in that
        pixel, of the same shape.
    kernels : array
        Distributions of the source's counts, shape (p, g, ky, kx), ky and kx odd.
    pattern : array
        Index of the kernel of each pixel, shape (ny + ky - 1, nx + kx - 1).
    """

    counts: Array
    background: Array
    exposure: Array
    kernels: Array
    pattern: Integers

    @classmethod
    def from_bins(
        cls, counts: Array, background: Array, exposure: Array, mask: Mask, kernel: Array
    ) -> Layer:
        """Create the layer of separate energy bins.

        Parameters
        ----------
        counts, background, exposure : array
            As of `Layer`, without padding, shape (g, ny, nx).
        mask : array of bool
            Whether the data are valid, shape (g, ny, nx).
        kernel : array
            Distribution of the source's counts, shape (g, ky, kx).

        Returns
        -------
        Layer
            The layer.
        """
        planes = [np.where(mask, plane, 0) for plane in (counts, background, exposure)]
        return _pad(planes, kernel[None], np.zeros(mask.shape[1:], dtype=np.int64))

    @classmethod
    def from_summed_bins(
        cls, counts: Array, background: Array, exposure: Array, mask: Mask, kernel: Array
    ) -> Layer:
        """Create the layer of the sum of the energy bins, with the mean of their kernels.

        As in gammapy, the mean is over the bins inside the mask, which differ from pixel to pixel.
        All bins have the same weight, independent of the source's counts in them.

        Parameters
        ----------
        counts, background, exposure : array
            As of `Layer`, without padding, shape (g, ny, nx).
        mask : array of bool
            Whether the data are valid, shape (g, ny, nx).
        kernel : array
            Distribution of the source's counts, shape (g, ky, kx).

        Returns
        -------
        Layer
            The layer.
        """
        planes = [
            np.where(mask, plane, 0).sum(axis=0)[None] for plane in (counts, background, exposure)
        ]
        patterns, indices = np.unique(mask.reshape(len(mask), -1), axis=1, return_inverse=True)
        weights = patterns.T / np.maximum(patterns.sum(axis=0), 1)[:, None]
        kernels = np.tensordot(weights, kernel, axes=1)[:, None]
        return _pad(planes, kernels, indices.reshape(mask.shape[1:]).astype(np.int64))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a kernel."""
        return self.kernels.shape[2], self.kernels.shape[3]

    @property
    def bins(self) -> int:
        """Number of bins that a kernel covers."""
        return int(np.prod(self.kernels.shape[1:]))

    def values(self, bins: Integers, kernel_bins: Integers) -> tuple[Array, Array, Array]:
        """Return counts, background and the source's counts in bins.

        Parameters
        ----------
        bins : array of int
            Flat indices of the bins, shape (k,).
        kernel_bins : array of int
            Flat indices of the same bins in the kernel of the source, shape (k,).

        Returns
        -------
        counts : array
            Counts, shape (k,).
        background : array
            Predicted counts without the source, shape (k,).
        signal : array
            Predicted counts of a source of norm one, shape (k,).
        """
        if len(self.kernels) > 1:
            kernel_bins = kernel_bins + self.bins * self.pattern.take(bins % self.pattern.size)
        signal = self.exposure.take(bins) * self.kernels.take(kernel_bins)
        return self.counts.take(bins), self.background.take(bins), signal

    def signal(self) -> Array:
        """Return the total counts of a source of norm one in each pixel.

        Returns
        -------
        array
            Predicted counts, shape (ny, nx).
        """
        total: Any = 0.0
        for pattern, group in np.ndindex(self.kernels.shape[:2]):
            exposure = np.where(self.pattern == pattern, self.exposure[group], 0)
            kernel = self.kernels[pattern, group, ::-1, ::-1]  # correlated, not convolved
            total = total + fftconvolve(exposure, kernel, mode="valid")
        total[total < ROUNDING * total.max()] = 0
        return np.asarray(total)

    def floor(self, mask: Mask) -> Array:
        """Return the lowest norms without negative predicted counts in any bin.

        Parameters
        ----------
        mask : array of bool
            Pixels to compute, shape (ny, nx); in others the norms may be too low.

        Returns
        -------
        array
            The norms, shape (ny, nx).
        """
        ny, nx = mask.shape
        lowest = np.full(mask.shape, np.inf)
        for pattern, group in np.ndindex(self.kernels.shape[:2]):
            exposed = (self.pattern == pattern) & (self.exposure[group] > 0)
            ratio = np.full(exposed.shape, np.inf)
            ratio[exposed] = self.background[group][exposed] / self.exposure[group][exposed]
            kernel, least = self.kernels[pattern, group], ratio.min()
            for index in np.argsort(kernel, axis=None)[::-1]:
                a, b = divmod(int(index), kernel.shape[1])
                # the largest values of the kernel come first; stop when the others have no effect
                if kernel[a, b] <= 0 or least >= kernel[a, b] * lowest.max(where=mask, initial=0):
                    break
                np.minimum(lowest, ratio[a : a + ny, b : b + nx] / kernel[a, b], out=lowest)
        return -lowest

    def box_sums(self, values: Array | Mask) -> Array:
        """Return the sums of bins over the kernel's box around each pixel.

        Parameters
        ----------
        values : array
            Values by bin, of the shape of the counts.

        Returns
        -------
        array
            The sums, shape (ny, nx).
        """
        height, width = self.size
        sums = np.pad(values.sum(axis=0), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
        rows = sums[height:] - sums[:-height]
        return np.asarray(rows[:, width:] - rows[:, :-width])

    def stat_null(self) -> Array:
        """Return the Cash statistic of the bins that the kernel covers, without the source.

        Returns
        -------
        array
            The statistic, shape (ny, nx).
        """
        logs = np.log(np.maximum(self.background, TRUNCATION))
        return 2 * self.box_sums(self.background - self.counts * logs)


def _pad(planes: Sequence[Array], kernels: Array, pattern: Integers) -> Layer:
    edges = [(size // 2, size // 2) for size in kernels.shape[2:]]
    counts, background, exposure = (
        np.pad(np.maximum(plane, 0).astype(float), [(0, 0), *edges]) for plane in planes
    )
    return Layer(counts, background, exposure, kernels.astype(float), np.pad(pattern, edges))
