"""Norms of many pixels at once: best values, errors, limits and sensitivities.

All are roots of one function per pixel. The functions are chosen such that Newton steps approach
the root from one side, so no bracket is needed; see the notes of the functions below. Pixels are
independent; the iteration ends when all of them have converged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.flux.ts_map.pairs import PixelBinPairs
from skyred.likelihood.statistics import TRUNCATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

ITERATIONS = 100
ACCURACY = 1e-7  # of a norm's error: steps converge quadratically, so the last one is far smaller


@attrs.frozen(eq=False)
class Roots:
    """Roots of the derivative of the statistic, shape (n,) each.

    Parameters
    ----------
    value : array
        The norm, -inf without counts.
    pole : array
        The norm at which a bin with counts would have zero predicted counts, -inf without counts.
    niter : array of int
        Number of Newton steps.
    success : array of bool
        Whether the steps have converged.
    """

    value: Array
    pole: Array
    niter: Integers
    success: Mask


@attrs.frozen(eq=False)
class Norms:
    """Fitted norms of pixels, shape (n,) each; NaN where a source has no counts.

    Parameters
    ----------
    value, error : array
        The norm and its error from the second derivative, infinite without counts.
    pole : array
        The norm at which a bin with counts would have zero predicted counts; the norm itself
        without counts.
    ts : array
        Gain in the statistic over norm zero.
    """

    value: Array
    error: Array
    pole: Array
    ts: Array

    @classmethod
    def from_roots(cls, roots: Roots, floor: Array, pairs: PixelBinPairs, signal: Array) -> Norms:
        """Return the norms at the roots, raised to the lowest allowed norms.

        Parameters
        ----------
        roots : Roots
            The roots.
        floor : array
            Norms below which some bin would have negative predicted counts, shape (n,).
        pairs : PixelBinPairs
            Pixels and the bins with counts that they cover.
        signal : array
            Total counts of a source of norm one, shape (n,).

        Returns
        -------
        Norms
            The norms.
        """
        norm = np.where(signal > 0, np.maximum(roots.value, floor), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            predicted = np.maximum(pairs.predicted(norm), TRUNCATION)
            error = 1 / np.sqrt(pairs.sums(pairs.counts * (pairs.signal / predicted) ** 2))
        logs = np.log(predicted / np.maximum(pairs.background, TRUNCATION))
        ts = 2 * (pairs.sums(pairs.counts * logs) - norm * signal)
        pole = np.where(np.isfinite(roots.pole), roots.pole, norm)
        return cls(norm, np.where(signal > 0, error, np.nan), pole, ts)

    def approximate_distance(self, sigma: float, signal: Array) -> Array:
        """Approximate the distance at which the statistic has risen by sigma squared.

        Parameters
        ----------
        sigma : float
            Square root of the rise of the statistic.
        signal : array
            Total counts of a source of norm one, shape (n,).

        Returns
        -------
        array
            The distance, shape (n,).
        """
        # without counts the statistic rises linearly
        return np.where(np.isfinite(self.error), sigma * self.error, sigma**2 / (2 * signal))


def find_roots(pairs: PixelBinPairs, signal: Array) -> Roots:
    """Find the norms of the lowest statistic, as if empty bins could have negative counts.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels and the bins with counts that they cover.
    signal : array
        Total counts of a source of norm one, shape (n,).

    Returns
    -------
    Roots
        The norms.

    Notes
    -----
    The derivative vanishes where ``h(x) = sum n s / (b + x s)`` is equal to the signal. ``1 / h``
    is concave and rises from zero at the pole, nearly linearly: Newton steps on it, from any
    start, end left of the root and then rise towards it.

    References
    ----------
    Stewart 2009, A&A 495, 989, appendix A.
    """
    pole = pairs.floor()
    active = np.isfinite(pole) & (signal > 0)
    niter = np.zeros(len(signal), dtype=np.int64)
    with np.errstate(all="ignore"):
        lowest = pole + pairs.reduce(np.minimum, pairs.counts) / signal  # h is above the signal
        norm = np.where(active, np.maximum(lowest, 0), -np.inf)
        for _ in range(ITERATIONS):
            ratio = pairs.signal / pairs.predicted(norm)
            weighted = pairs.counts * ratio
            slope, curvature = pairs.sums(weighted), pairs.sums(weighted * ratio)
            step = slope * (slope / signal - 1) / curvature
            updated = np.where(active, np.maximum(norm + step, lowest), norm)
            niter[active] += 1
            active &= np.abs(updated - norm) > ACCURACY / np.sqrt(curvature)
            norm = updated
            if not active.any():
                break
    return Roots(norm, pole, niter, ~active)


def find_distances_up(pairs: PixelBinPairs, signal: Array, best: Norms, sigma: float) -> Array:
    """Find the distances above the best norms at which the statistic has risen by sigma squared.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels and the bins with counts that they cover.
    signal : array
        Total counts of a source of norm one, shape (n,).
    best : Norms
        The best norms.
    sigma : float
        Square root of the rise of the statistic.

    Returns
    -------
    array
        The distances, shape (n,).

    Notes
    -----
    The statistic is convex: from a start where it rises, Newton steps end right of the root and
    then fall towards it.
    """
    start = np.maximum(pairs.predicted(best.value), TRUNCATION)
    with np.errstate(all="ignore"):
        distance = best.approximate_distance(sigma, signal)
        for _ in range(ITERATIONS):
            predicted = start + distance[pairs.pixel] * pairs.signal
            logs = pairs.sums(pairs.counts * np.log(predicted / start))
            rise = 2 * (distance * signal - logs) - sigma**2
            step = rise / (2 * (signal - pairs.sums(pairs.counts * pairs.signal / predicted)))
            distance = distance - step
            if not np.any(np.abs(step) > ACCURACY * distance):
                break
    return distance


def find_distances_down(
    pairs: PixelBinPairs, empty: PixelBinPairs, signal: Array, best: Norms, sigma: float
) -> Array:
    """Find the distances below the best norms at which the statistic has risen by sigma squared.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels and the bins with counts that they cover.
    empty : PixelBinPairs
        Pixels and the bins without counts that would have negative predicted counts at the pole,
        which are set to zero.
    signal : array
        Total counts of a source of norm one, shape (n,).
    best : Norms
        The best norms.
    sigma : float
        Square root of the rise of the statistic.

    Returns
    -------
    array
        The distances, shape (n,); NaN without counts.

    Notes
    -----
    The statistic is convex down to the pole, where it is infinite. If a step would pass the pole,
    or the statistic does not fall, the step goes halfway to the pole; other steps end left of the
    root.
    """
    start = np.maximum(pairs.predicted(best.value), TRUNCATION)
    with np.errstate(all="ignore"):
        deepest = best.value - best.pole
        distance = np.minimum(best.approximate_distance(sigma, signal), deepest / 2)
        for _ in range(ITERATIONS):
            predicted = start - distance[pairs.pixel] * pairs.signal
            deficit = -np.minimum(empty.predicted(best.value - distance), 0)
            logs = pairs.sums(pairs.counts * np.log(predicted / start))
            rise = 2 * (empty.sums(deficit) - distance * signal - logs) - sigma**2
            slope = empty.sums(empty.signal * (deficit > 0)) + pairs.sums(
                pairs.counts * pairs.signal / predicted
            )
            updated = distance - rise / (2 * (slope - signal))
            updated = np.where(
                (updated < deepest) & (slope > signal), updated, (distance + deepest) / 2
            )
            moved, distance = np.abs(updated - distance), updated
            if not np.any(moved > ACCURACY * distance):
                break
    return np.where(np.isfinite(best.error), distance, np.nan)


def find_sensitivities(pairs: PixelBinPairs, signal: Array, sigma: float) -> Array:
    """Find the norms with an expected significance of sigma.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels and all bins that they cover.
    signal : array
        Total counts of a source of norm one, shape (n,).
    sigma : float
        The significance.

    Returns
    -------
    array
        The norms, shape (n,).

    Notes
    -----
    The gain on the Asimov data is convex, as the statistic in `find_distances_up`.

    References
    ----------
    Cowan et al. 2011, EPJ C 71, 1554.
    """
    null = np.maximum(pairs.background, TRUNCATION)
    with np.errstate(all="ignore"):
        few = sigma**2 / signal  # to include the source where there is no background
        scale = pairs.sums(pairs.signal**2 / pairs.predicted(few))
        norm = sigma / np.sqrt(scale)
        for _ in range(ITERATIONS):
            predicted = pairs.predicted(norm)
            logs = np.log(predicted / null)
            gain = 2 * (pairs.sums(predicted * logs) - norm * signal)
            step = (gain - sigma**2) / (2 * pairs.sums(pairs.signal * logs))
            norm = norm - step
            if not np.any(np.abs(step) > ACCURACY * norm):
                break
    return norm
