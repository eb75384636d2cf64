"""Layers: the data of one dataset in one energy range, with the kernels of the source."""

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

ROUNDING = 1e-12  # relative to the largest signal: smaller signals are rounding errors


@attrs.frozen(eq=False)
class Layer:
    """Counts, predicted counts and kernels on a map, padded so that kernels fit at its edges.

    In the (padded) bin ``(g, y, x)``, a source of norm one in pixel ``(j, i)`` predicts
    ``npred_per_norm[g, y, x] * kernels[pattern[y, x], g, y - j, x - i]`` counts.

    Parameters
    ----------
    counts : array
        Counts in g groups of energy bins, shape (g, ny + ky - 1, nx + kx - 1).
    background : array
        Predicted counts without the source, of the same shape.
    npred_per_norm : array
        Predicted counts in each pixel for a source of norm one, before the convolution with the
        kernels, of the same shape.
    kernels : array
        Distributions of the counts of the source over pixels, shape (p, g, ky, kx), ky and kx odd.
    pattern : array
        Index of the kernel for each pixel, 0 to p - 1, shape (ny + ky - 1, nx + kx - 1).
    """

    counts: Array
    background: Array
    npred_per_norm: Array
    kernels: Array
    pattern: Integers

    @classmethod
    def from_bins(
        cls, counts: Array, background: Array, npred_per_norm: Array, mask: Mask, kernel: Array
    ) -> Layer:
        """Create a layer with separate energy bins.

        Parameters
        ----------
        counts, background, npred_per_norm : array
            The arrays of `Layer` without padding, shape (g, ny, nx).
        mask : array of bool
            Whether the data are valid, shape (g, ny, nx).
        kernel : array
            Distribution of the counts of the source over pixels, shape (g, ky, kx).

        Returns
        -------
        Layer
            The layer.
        """
        cubes = [np.where(mask, cube, 0) for cube in (counts, background, npred_per_norm)]
        return _pad(cubes, kernel[None], np.zeros(mask.shape[1:], dtype=np.int64))

    @classmethod
    def from_summed_bins(
        cls, counts: Array, background: Array, npred_per_norm: Array, mask: Mask, kernel: Array
    ) -> Layer:
        """Create a layer with the sum of the energy bins, and the mean of their kernels.

        As in gammapy, the mean in each pixel is over the energy bins inside the mask there.
        All bins have the same weight, independent of the predicted counts of the source.

        Parameters
        ----------
        counts, background, npred_per_norm : array
            The arrays of `Layer` without padding and before the sum, shape (n, ny, nx).
        mask : array of bool
            Whether the data are valid, shape (n, ny, nx).
        kernel : array
            Distribution of the counts of the source over pixels, shape (n, ky, kx).

        Returns
        -------
        Layer
            The layer.
        """
        cubes = [
            np.where(mask, cube, 0).sum(axis=0)[None]
            for cube in (counts, background, npred_per_norm)
        ]
        # pixels with the same mask have the same kernel
        patterns, indices = np.unique(mask.reshape(len(mask), -1), axis=1, return_inverse=True)
        weights = patterns.T / np.maximum(patterns.sum(axis=0), 1)[:, None]
        kernels = np.tensordot(weights, kernel, axes=1)[:, None]
        return _pad(cubes, kernels, indices.reshape(mask.shape[1:]).astype(np.int64))

    @property
    def kernel_shape(self) -> tuple[int, int]:
        """Height and width of a kernel."""
        return self.kernels.shape[2], self.kernels.shape[3]

    @property
    def n_kernel_bins(self) -> int:
        """Number of bins that a kernel covers."""
        return int(np.prod(self.kernels.shape[1:]))

    def values(self, bins: Integers, kernel_bins: Integers) -> tuple[Array, Array, Array]:
        """Return measured and predicted counts in bins.

        Parameters
        ----------
        bins : array of int
            Flat indices of the bins, shape (k,).
        kernel_bins : array of int
            Flat indices of the same bins in a kernel around the source, shape (k,).

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
            pattern = self.pattern.take(bins % self.pattern.size)
            kernel_bins = kernel_bins + self.n_kernel_bins * pattern
        signal = self.npred_per_norm.take(bins) * self.kernels.take(kernel_bins)
        return self.counts.take(bins), self.background.take(bins), signal

    def signal(self) -> Array:
        """Return the total predicted counts of a source of norm one, for each position.

        Returns
        -------
        array
            Predicted counts, shape (ny, nx).
        """
        total: Any = 0.0
        for pattern, group in np.ndindex(self.kernels.shape[:2]):
            npred_per_norm = np.where(self.pattern == pattern, self.npred_per_norm[group], 0)
            kernel = self.kernels[pattern, group, ::-1, ::-1]  # mirrored, for a correlation
            total = total + fftconvolve(npred_per_norm, kernel, mode="valid")
        total[total < ROUNDING * total.max()] = 0
        return np.asarray(total)

    def lowest_norms(self, mask: Mask) -> Array:
        """Return the lowest norms for which no bin has negative predicted counts.

        Parameters
        ----------
        mask : array of bool
            Mask of the pixels to compute, shape (ny, nx); the norms of others are not valid.

        Returns
        -------
        array
            The norms, shape (ny, nx).
        """
        ny, nx = mask.shape
        lowest = np.full(mask.shape, np.inf)
        for pattern, group in np.ndindex(self.kernels.shape[:2]):
            is_exposed = (self.pattern == pattern) & (self.npred_per_norm[group] > 0)
            ratio = np.full(is_exposed.shape, np.inf)
            ratio[is_exposed] = (
                self.background[group][is_exposed] / self.npred_per_norm[group][is_exposed]
            )
            kernel, min_ratio = self.kernels[pattern, group], ratio.min()
            for index in np.argsort(kernel, axis=None)[::-1]:
                row, column = divmod(int(index), kernel.shape[1])
                weight = kernel[row, column]
                # the largest weights come first; stop when smaller weights have no effect
                if weight <= 0 or min_ratio >= weight * lowest.max(where=mask, initial=0):
                    break
                shifted_ratio = ratio[row : row + ny, column : column + nx]
                np.minimum(lowest, shifted_ratio / weight, out=lowest)
        return -lowest

    def box_sums(self, values: Array | Mask) -> Array:
        """Return sums over the bins that a kernel around each pixel covers.

        Parameters
        ----------
        values : array
            Values of the bins, of the shape of the counts.

        Returns
        -------
        array
            The sums, shape (ny, nx).
        """
        height, width = self.kernel_shape
        sums = np.pad(values.sum(axis=0), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
        rows = sums[height:] - sums[:-height]
        return np.asarray(rows[:, width:] - rows[:, :-width])

    def stat_null(self) -> Array:
        """Return the Cash statistic, without the source, of the bins that a kernel covers.

        Returns
        -------
        array
            The statistic, shape (ny, nx).
        """
        logs = np.log(np.maximum(self.background, TRUNCATION))
        return 2 * self.box_sums(self.background - self.counts * logs)


def _pad(cubes: Sequence[Array], kernels: Array, pattern: Integers) -> Layer:
    """Create a layer; pad the arrays by half a kernel, and set negative values to zero."""
    margins = [(size // 2, size // 2) for size in kernels.shape[2:]]
    counts, background, npred_per_norm = (
        np.pad(np.maximum(cube, 0).astype(float), [(0, 0), *margins]) for cube in cubes
    )
    return Layer(
        counts, background, npred_per_norm, kernels.astype(float), np.pad(pattern, margins)
    )
