"""Norms of many pixels at once: best values, errors, limits and sensitivities.

Each value is the root of a function of the norm in a pixel. The functions are chosen such that
Newton steps approach the root from one side, so that no bracket is needed; see the notes of the
functions below. Pixels are independent. The iteration ends when all pixels have converged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.flux.ts_map.pairs import PixelBinPairs
from skyred.likelihood.flux.ts_map.precision import ACCURACY, DEFAULT_PRECISION, Precision
from skyred.likelihood.statistics import TRUNCATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]


@attrs.frozen(eq=False)
class Roots:
    """Norms at which the derivative of the statistic is zero, shape (n,) each.

    Parameters
    ----------
    value : array
        The norm; -inf for pixels without counts or without signal.
    pole : array
        The largest norm at which a bin with counts has zero predicted counts; -inf without counts.
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
    """Fitted norms of pixels, shape (n,) each; NaN where the source predicts no counts.

    Parameters
    ----------
    value, error : array
        The norm, and its error from the second derivative; without counts the error is infinite.
    pole : array
        The largest norm at which a bin with counts has zero predicted counts; without counts the
        norm itself.
    ts : array
        Gain in the statistic over norm zero.
    """

    value: Array
    error: Array
    pole: Array
    ts: Array

    @classmethod
    def from_roots(
        cls,
        roots: Roots,
        lowest_norms: Array,
        pairs: PixelBinPairs,
        signal: Array,
        limits: tuple[float, float] = (-np.inf, np.inf),
    ) -> Norms:
        """Return the norms at the roots, or the lowest allowed norms where these are higher.

        Parameters
        ----------
        roots : Roots
            The roots.
        lowest_norms : array
            Norms below which some bin would have negative predicted counts, shape (n,).
        pairs : PixelBinPairs
            Pixels, and the bins with counts that their kernels cover.
        signal : array
            Total predicted counts of a source of norm one, shape (n,).
        limits : tuple of float
            Lowest and highest allowed norm.

        Returns
        -------
        Norms
            The norms.
        """
        norm = np.where(signal > 0, np.maximum(roots.value, lowest_norms), np.nan)
        norm = np.clip(norm, *limits)  # the statistic is convex
        with np.errstate(divide="ignore", invalid="ignore"):
            predicted = np.maximum(pairs.predict(norm), TRUNCATION)
            error = 1 / np.sqrt(pairs.sum_by_pixel(pairs.counts * (pairs.signal / predicted) ** 2))
        logs = np.log(predicted / np.maximum(pairs.background, TRUNCATION))
        ts = 2 * (pairs.sum_by_pixel(pairs.counts * logs) - norm * signal)
        pole = np.where(np.isfinite(roots.pole), roots.pole, norm)
        return cls(norm, np.where(signal > 0, error, np.nan), pole, ts)

    def approximate_distance(self, sigma: float, signal: Array) -> Array:
        """Approximate the distance at which the statistic has risen by sigma squared.

        Parameters
        ----------
        sigma : float
            Square root of the rise of the statistic.
        signal : array
            Total predicted counts of a source of norm one, shape (n,).

        Returns
        -------
        array
            The distance, shape (n,).
        """
        # without counts the statistic rises linearly
        return np.where(np.isfinite(self.error), sigma * self.error, sigma**2 / (2 * signal))


def find_roots(
    pairs: PixelBinPairs, signal: Array, precision: Precision = DEFAULT_PRECISION
) -> Roots:
    """Find the norms that minimise the statistic if empty bins may have negative predictions.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels, and the bins with counts that their kernels cover.
    signal : array
        Total predicted counts of a source of norm one, shape (n,).
    precision : Precision
        Precision at which the search stops.

    Returns
    -------
    Roots
        The norms.

    Notes
    -----
    The derivative is zero where ``h(x) = sum n s / (b + x s)`` is equal to the signal. ``1 / h``
    is concave, and rises nearly linearly from zero at the pole. From any start, the first Newton
    step for ``1 / h`` ends below the root, and the next steps rise towards it.

    References
    ----------
    Stewart 2009, A&A 495, 989, appendix A.
    """
    pole = pairs.lowest_norms()
    active = np.isfinite(pole) & (signal > 0)
    niter = np.zeros(len(signal), dtype=np.int64)
    with np.errstate(all="ignore"):
        lowest = pole + pairs.reduce(np.minimum, pairs.counts) / signal  # here h >= signal
        norm = np.where(active, np.maximum(lowest, 0), -np.inf)
        for _ in range(precision.max_niter):
            ratio = pairs.signal / pairs.predict(norm)
            weighted = pairs.counts * ratio
            slope, curvature = pairs.sum_by_pixel(weighted), pairs.sum_by_pixel(weighted * ratio)
            step = slope * (slope / signal - 1) / curvature
            next_norm = np.where(active, np.maximum(norm + step, lowest), norm)
            niter[active] += 1
            tolerance = ACCURACY / np.sqrt(curvature)
            if precision.rtol > 0:
                tolerance = np.maximum(tolerance, precision.rtol * np.abs(next_norm))
            active &= np.abs(next_norm - norm) > tolerance
            norm = next_norm
            if not active.any():
                break
    return Roots(norm, pole, niter, ~active)


def find_distances_up(
    pairs: PixelBinPairs,
    signal: Array,
    best: Norms,
    sigma: float,
    precision: Precision = DEFAULT_PRECISION,
) -> Array:
    """Find the distances above the best norms at which the statistic has risen by sigma squared.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels, and the bins with counts that their kernels cover.
    signal : array
        Total predicted counts of a source of norm one, shape (n,).
    best : Norms
        The best norms.
    sigma : float
        Square root of the rise of the statistic.
    precision : Precision
        Precision at which the search stops.

    Returns
    -------
    array
        The distances, shape (n,); NaN if the search has not converged.

    Notes
    -----
    The statistic is convex. From a start where it rises, the first Newton step ends above the root,
    and the next steps fall towards it. The distance is doubled where the statistic does not rise
    yet, which is possible above norms that are not the best ones.
    """
    start = np.maximum(pairs.predict(best.value), TRUNCATION)
    with np.errstate(all="ignore"):
        distance = best.approximate_distance(sigma, signal)
        for _ in range(precision.max_niter):
            predicted = start + distance[pairs.pixel] * pairs.signal
            logs = pairs.sum_by_pixel(pairs.counts * np.log(predicted / start))
            rise = 2 * (distance * signal - logs) - sigma**2
            slope = 2 * (signal - pairs.sum_by_pixel(pairs.counts * pairs.signal / predicted))
            step = np.where(slope > 0, rise / slope, -distance)
            distance = distance - step
            is_searched = np.abs(step) > precision.distance_rtol * distance
            if not is_searched.any():
                break
    return np.where(is_searched, np.nan, distance)


def find_distances_down(
    pairs: PixelBinPairs,
    empty_bins: PixelBinPairs,
    signal: Array,
    best: Norms,
    sigma: float,
    precision: Precision = DEFAULT_PRECISION,
) -> Array:
    """Find the distances below the best norms at which the statistic has risen by sigma squared.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels, and the bins with counts that their kernels cover.
    empty_bins : PixelBinPairs
        Pixels, and the bins without counts where negative predicted counts at the pole have to be
        set to zero.
    signal : array
        Total predicted counts of a source of norm one, shape (n,).
    best : Norms
        The best norms.
    sigma : float
        Square root of the rise of the statistic.
    precision : Precision
        Precision at which the search stops.

    Returns
    -------
    array
        The distances, shape (n,); NaN without counts.

    Notes
    -----
    The statistic is convex above the pole, where it is infinite. Newton steps end below the root.
    If a step would pass the pole, or the statistic does not rise towards lower norms, the step goes
    halfway to the pole instead.
    """
    start = np.maximum(pairs.predict(best.value), TRUNCATION)
    with np.errstate(all="ignore"):
        max_distance = best.value - best.pole
        distance = np.minimum(best.approximate_distance(sigma, signal), max_distance / 2)
        for _ in range(precision.max_niter):
            predicted = start - distance[pairs.pixel] * pairs.signal
            # negative predicted counts, with the opposite sign
            deficit = -np.minimum(empty_bins.predict(best.value - distance), 0)
            logs = pairs.sum_by_pixel(pairs.counts * np.log(predicted / start))
            rise = 2 * (empty_bins.sum_by_pixel(deficit) - distance * signal - logs) - sigma**2
            slope = empty_bins.sum_by_pixel(empty_bins.signal * (deficit > 0)) + pairs.sum_by_pixel(
                pairs.counts * pairs.signal / predicted
            )
            newton = distance - rise / (2 * (slope - signal))
            is_valid = (newton < max_distance) & (slope > signal)
            next_distance = np.where(is_valid, newton, (distance + max_distance) / 2)
            change, distance = np.abs(next_distance - distance), next_distance
            is_searched = change > precision.distance_rtol * distance
            if not is_searched.any():
                break
    return np.where(np.isfinite(best.error) & ~is_searched, distance, np.nan)


def find_sensitivities(
    pairs: PixelBinPairs,
    signal: Array,
    sigma: float,
    precision: Precision = DEFAULT_PRECISION,
) -> Array:
    """Find the norms with an expected significance of sigma.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels, and all bins that their kernels cover.
    signal : array
        Total predicted counts of a source of norm one, shape (n,).
    sigma : float
        The significance.
    precision : Precision
        Precision at which the search stops.

    Returns
    -------
    array
        The norms, shape (n,).

    Notes
    -----
    The gain for the Asimov data is convex, like the statistic in `find_distances_up`.

    References
    ----------
    Cowan et al. 2011, EPJ C 71, 1554.
    """
    null = np.maximum(pairs.background, TRUNCATION)
    with np.errstate(all="ignore"):
        # the start includes counts of the source, for bins without background
        information = pairs.sum_by_pixel(pairs.signal**2 / pairs.predict(sigma**2 / signal))
        norm = sigma / np.sqrt(information)
        for _ in range(precision.max_niter):
            predicted = pairs.predict(norm)
            logs = np.log(predicted / null)
            gain = 2 * (pairs.sum_by_pixel(predicted * logs) - norm * signal)
            step = (gain - sigma**2) / (2 * pairs.sum_by_pixel(pairs.signal * logs))
            norm = norm - step
            is_searched = np.abs(step) > precision.distance_rtol * norm
            if not is_searched.any():
                break
    return np.where(is_searched, np.nan, norm)
