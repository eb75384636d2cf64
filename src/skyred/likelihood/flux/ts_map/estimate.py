"""Estimates of norms, which are only fitted if they are significant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.flux.ts_map.pairs import PixelBinPairs
from skyred.likelihood.flux.ts_map.precision import DEFAULT_PRECISION, Precision
from skyred.likelihood.flux.ts_map.solve import Roots, find_roots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class NormEstimate:
    """Approximate norms, which are only fitted if they are significant.

    Parameters
    ----------
    norm : array
        The approximate norms, shape (ny, nx).
    threshold : float
        TS of the approximate norm above which the norm is fitted.
    """

    norm: Array
    threshold: float


def find_significant_roots(
    pairs: PixelBinPairs,
    signal: Array,
    estimate: Array,
    threshold: float,
    precision: Precision = DEFAULT_PRECISION,
) -> Roots:
    """Find the norms as `find_roots`, but only of pixels with a significant estimate.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels, and the bins with counts that their kernels cover.
    signal : array
        Total predicted counts of a source of norm one, shape (n,).
    estimate : array
        Approximate norms for which no bin has negative predicted counts, shape (n,).
    threshold : float
        TS of the approximate norm above which the norm is searched.
    precision : Precision
        Precision at which the search stops.

    Returns
    -------
    Roots
        The norms; those below the threshold are approximate, with zero steps. Pixels without
        counts always have the exact norm.
    """
    pole = pairs.lowest_norms()
    with np.errstate(all="ignore"):
        lowest = pole + pairs.reduce(np.minimum, pairs.counts) / signal  # never above the root
        estimate = np.where(signal > 0, np.maximum(estimate, lowest), 0)
        logs = np.log1p(estimate[pairs.pixel] * pairs.signal / pairs.background)
        ts = 2 * (pairs.sum_by_pixel(pairs.counts * logs) - estimate * signal)
    is_searched = ~(ts <= threshold) | ~np.isfinite(pole) | ~(signal > 0)
    roots = find_roots(pairs.select(is_searched[pairs.pixel]), signal, precision)
    return Roots(
        np.where(is_searched, roots.value, estimate),
        pole,
        np.where(is_searched, roots.niter, 0),
        np.where(is_searched, roots.success, True),
    )
