"""The norms of many pixels at once: best values, errors, limits and sensitivities.

Each is a root of one function a pixel. The functions are chosen such that Newton steps approach the
root from one side, so that none needs a bracket: see the comments. Pixels are independent; those
that are done wait for the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.flux.ts_map.terms import Terms
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
    """Where the derivative of the statistic vanishes, shape (n,) each.

    Parameters
    ----------
    value : array
        The norm, -inf without counts.
    pole : array
        The norm at which a bin with counts would have none predicted, -inf without counts.
    niter : array of int
        Newton steps.
    success : array of bool
        Whether it was found.
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
        The norm and its error by the second derivative, infinite without counts.
    pole : array
        The norm at which a bin with counts would have none predicted, or itself without counts.
    ts : array
        What the source gains in the statistic.
    """

    value: Array
    error: Array
    pole: Array
    ts: Array

    @classmethod
    def at(cls, found: Roots, floor: Array, pairs: Terms, signal: Array) -> Norms:
        """Take the roots, or the lowest norms that no bin has negative counts at."""
        norm = np.where(signal > 0, np.maximum(found.value, floor), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            there = np.maximum(pairs.predicted(norm), TRUNCATION)
            error = 1 / np.sqrt(pairs.sums(pairs.counts * (pairs.signal / there) ** 2))
        logs = np.log(there / np.maximum(pairs.background, TRUNCATION))
        ts = 2 * (pairs.sums(pairs.counts * logs) - norm * signal)
        pole = np.where(np.isfinite(found.pole), found.pole, norm)
        return cls(norm, np.where(signal > 0, error, np.nan), pole, ts)

    def distance(self, sigma: float, signal: Array) -> Array:
        """Give about how far the norm is from its best value by some sigma."""
        # without counts the statistic rises linearly
        return np.where(np.isfinite(self.error), sigma * self.error, sigma**2 / (2 * signal))


def roots(pairs: Terms, signal: Array) -> Roots:
    """Find the norms of the least statistic, as if empty bins could have negative counts.

    Parameters
    ----------
    pairs : Terms
        Pixels and the bins with counts that they cover.
    signal : array
        All counts of a source of norm one, shape (n,).

    Notes
    -----
    The derivative vanishes where ``h(x) = sum n s / (b + x s)`` is the signal (Stewart 2009, A&A
    495, 989, appendix A). ``1 / h`` is concave and rises from zero at the pole, nearly linearly:
    Newton steps on it, from anywhere, arrive left of the root and then rise towards it.
    """
    pole = pairs.floor()
    going = np.isfinite(pole) & (signal > 0)
    niter = np.zeros(len(signal), dtype=np.int64)
    with np.errstate(all="ignore"):
        lowest = pole + pairs.reduce(np.minimum, pairs.counts) / signal  # h is above the signal
        norm = np.where(going, np.maximum(lowest, 0), -np.inf)
        for _ in range(ITERATIONS):
            ratio = pairs.signal / pairs.predicted(norm)
            weighted = pairs.counts * ratio
            slope, curvature = pairs.sums(weighted), pairs.sums(weighted * ratio)
            step = slope * (slope / signal - 1) / curvature
            after = np.where(going, np.maximum(norm + step, lowest), norm)
            niter[going] += 1
            going &= np.abs(after - norm) > ACCURACY / np.sqrt(curvature)
            norm = after
            if not going.any():
                break
    return Roots(norm, pole, niter, ~going)


def rises(pairs: Terms, signal: Array, best: Norms, sigma: float) -> Array:
    """Find how far up the norm is from its best value by some sigma.

    The statistic is convex: from where it rises, Newton steps arrive right of the root and then
    fall towards it.
    """
    start = np.maximum(pairs.predicted(best.value), TRUNCATION)
    with np.errstate(all="ignore"):
        away = best.distance(sigma, signal)
        for _ in range(ITERATIONS):
            there = start + away[pairs.pixel] * pairs.signal
            logs = pairs.sums(pairs.counts * np.log(there / start))
            rise = 2 * (away * signal - logs) - sigma**2
            step = rise / (2 * (signal - pairs.sums(pairs.counts * pairs.signal / there)))
            away = away - step
            if not np.any(np.abs(step) > ACCURACY * away):
                break
    return away


def falls(pairs: Terms, empty: Terms, signal: Array, best: Norms, sigma: float) -> Array:
    """Find how far down the norm is from its best value by some sigma; NaN without counts.

    Parameters
    ----------
    pairs, empty : Terms
        Pixels and the bins that they cover, with counts, and those without that would have
        negative counts before the pole: they count as none.
    signal, best, sigma
        As for `rises`.

    Notes
    -----
    The statistic is convex down to the pole, where it is infinite. A step beyond the pole, or from
    where the statistic does not fall, is one halfway to the pole; others arrive left of the root.
    """
    start = np.maximum(pairs.predicted(best.value), TRUNCATION)
    with np.errstate(all="ignore"):
        deepest = best.value - best.pole
        away = np.minimum(best.distance(sigma, signal), deepest / 2)
        for _ in range(ITERATIONS):
            there = start - away[pairs.pixel] * pairs.signal
            below = -np.minimum(empty.predicted(best.value - away), 0)
            logs = pairs.sums(pairs.counts * np.log(there / start))
            rise = 2 * (empty.sums(below) - away * signal - logs) - sigma**2
            lost = empty.sums(empty.signal * (below > 0)) + pairs.sums(
                pairs.counts * pairs.signal / there
            )
            after = away - rise / (2 * (lost - signal))
            after = np.where((after < deepest) & (lost > signal), after, (away + deepest) / 2)
            moved, away = np.abs(after - away), after
            if not np.any(moved > ACCURACY * away):
                break
    return np.where(np.isfinite(best.error), away, np.nan)


def sensitivities(pairs: Terms, signal: Array, sigma: float) -> Array:
    """Find the norm that is expected to be significant by some sigma (Cowan et al. 2011).

    Parameters
    ----------
    pairs : Terms
        Pixels and all bins that they cover.
    signal, sigma
        As for `rises`; the gain on the Asimov data is convex too.
    """
    null = np.maximum(pairs.background, TRUNCATION)
    with np.errstate(all="ignore"):
        few = sigma**2 / signal  # so that the source itself counts where there is no background
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
