"""Layers: the data of one dataset in one range of energy, and the source's counts around pixels."""

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

ROUNDING = 1e-12  # of the largest signal: what a convolution leaves where there is none


@attrs.frozen(eq=False)
class Layer:
    """Counts, predictions and kernels on a map, padded so that kernels fit at its edges.

    A source of norm one in pixel ``(j, i)`` predicts ``exposure[g, y, x] * kernels[pattern[y, x],
    g, y - j, x - i]`` counts in the (padded) bin ``(g, y, x)``.

    Parameters
    ----------
    counts, background, exposure : array
        Counts, those predicted without the source, and those that it would give if it were in
        each pixel alone; shape (g, ny + ky - 1, nx + kx - 1).
    kernels : array
        How its counts spread, shape (p, g, ky, kx), ky and kx odd.
    pattern : array
        Which of the p kernels holds in each pixel, shape as of a plane of the counts.
    """

    counts: Array
    background: Array
    exposure: Array
    kernels: Array
    pattern: Integers

    @classmethod
    def cube(
        cls, counts: Array, background: Array, exposure: Array, mask: Mask, kernel: Array
    ) -> Layer:
        """Keep the energy bins apart: arrays of shape (g, ny, nx), kernel (g, ky, kx)."""
        planes = [np.where(mask, plane, 0) for plane in (counts, background, exposure)]
        return _padded(planes, kernel[None], np.zeros(mask.shape[1:], dtype=np.int64))

    @classmethod
    def summed(
        cls, counts: Array, background: Array, exposure: Array, mask: Mask, kernel: Array
    ) -> Layer:
        """Sum the energy bins, with the mean of their kernels, as gammapy does.

        The mean is over the bins inside the mask, which differ from pixel to pixel. All bins weigh
        the same in it, however many counts the source gives in them.
        """
        planes = [
            np.where(mask, plane, 0).sum(axis=0)[None] for plane in (counts, background, exposure)
        ]
        patterns, where = np.unique(mask.reshape(len(mask), -1), axis=1, return_inverse=True)
        weights = patterns.T / np.maximum(patterns.sum(axis=0), 1)[:, None]
        kernels = np.tensordot(weights, kernel, axes=1)[:, None]
        return _padded(planes, kernels, where.reshape(mask.shape[1:]).astype(np.int64))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a kernel."""
        return self.kernels.shape[2], self.kernels.shape[3]

    @property
    def bins(self) -> int:
        """How many bins a kernel covers."""
        return int(np.prod(self.kernels.shape[1:]))

    def values(self, at: Integers, place: Integers) -> tuple[Array, Array, Array]:
        """Give counts, background and the source's counts in bins.

        Parameters
        ----------
        at : array of int
            Flat indices of the bins.
        place : array of int
            Flat indices of the same bins in the kernel of the source.
        """
        if len(self.kernels) > 1:
            place = place + self.bins * self.pattern.take(at % self.pattern.size)
        signal = self.exposure.take(at) * self.kernels.take(place)
        return self.counts.take(at), self.background.take(at), signal

    def signal(self) -> Array:
        """Give all counts of a source of norm one in each pixel, shape (ny, nx)."""
        total: Any = 0.0
        for pattern, group in np.ndindex(self.kernels.shape[:2]):
            seen = np.where(self.pattern == pattern, self.exposure[group], 0)
            kernel = self.kernels[pattern, group, ::-1, ::-1]  # correlated, not convolved
            total = total + fftconvolve(seen, kernel, mode="valid")
        total[total < ROUNDING * total.max()] = 0
        return np.asarray(total)

    def floor(self, mask: Mask) -> Array:
        """Give the norms below which some bin would have negative counts.

        Parameters
        ----------
        mask : array of bool
            Where they are asked for, shape (ny, nx); elsewhere they may be too low.
        """
        ny, nx = mask.shape
        lowest = np.full(mask.shape, np.inf)
        for pattern, group in np.ndindex(self.kernels.shape[:2]):
            seen = (self.pattern == pattern) & (self.exposure[group] > 0)
            ratio = np.full(seen.shape, np.inf)
            ratio[seen] = self.background[group][seen] / self.exposure[group][seen]
            kernel, least = self.kernels[pattern, group], ratio.min()
            for place in np.argsort(kernel, axis=None)[::-1]:
                a, b = divmod(int(place), kernel.shape[1])
                # the highest values of the kernel decide: soon the others cannot matter
                if kernel[a, b] <= 0 or least >= kernel[a, b] * lowest.max(where=mask, initial=0):
                    break
                np.minimum(lowest, ratio[a : a + ny, b : b + nx] / kernel[a, b], out=lowest)
        return -lowest

    def inside(self, values: Array | Mask) -> Array:
        """Sum bins (shape of the counts) over the kernel's box around each pixel."""
        height, width = self.size
        sums = np.pad(values.sum(axis=0), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
        rows = sums[height:] - sums[:-height]
        return np.asarray(rows[:, width:] - rows[:, :-width])

    def stat_null(self) -> Array:
        """Give the Cash statistic of the bins that the kernel covers, without the source."""
        logs = np.log(np.maximum(self.background, TRUNCATION))
        return 2 * self.inside(self.background - self.counts * logs)


def _padded(planes: Sequence[Array], kernels: Array, pattern: Integers) -> Layer:
    edges = [(size // 2, size // 2) for size in kernels.shape[2:]]
    counts, background, exposure = (
        np.pad(np.maximum(plane, 0).astype(float), [(0, 0), *edges]) for plane in planes
    )
    return Layer(counts, background, exposure, kernels.astype(float), np.pad(pattern, edges))
