"""Scans of the statistic: its values at several norms in each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.statistics import TRUNCATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.flux.ts_map.pairs import PixelBinPairs
    from skyred.likelihood.flux.ts_map.solve import Norms

    Array = NDArray[np.float64]

OUTER = np.concatenate([np.arange(-10.0, -2.0), np.arange(3.0, 11.0)])  # in errors
FACTORS = np.linspace(-10, 10, 21)
LIMITS = (-100.0, 100.0)


def scan_norms(best: Norms) -> Array:
    """Return norms around the best norms, as in gammapy's scans.

    These are up to 10 errors from the best norm, multiples of the best norm, and the integers from
    -10 to 10, besides the limits -100 and 100.

    Parameters
    ----------
    best : Norms
        The best norms of n pixels.

    Returns
    -------
    array
        Increasing norms, shape (n, 109).

    References
    ----------
    gammapy's `_get_norm_scan_values`, without the random norms that it adds in some cases.
    """
    has_error = np.isfinite(best.error) & (best.error > 0)
    error = np.where(has_error, best.error, 0.1)[:, None]
    value = np.where(np.isfinite(best.value) & (best.value != 0), best.value, 1.0)[:, None]
    multiples = FACTORS[(FACTORS != 0) & (FACTORS != 1)]  # these are in the other lists
    n_pixels = len(best.value)
    norms = [
        value + np.linspace(-2.5, 2.5, 51) * error,
        value + OUTER * error,
        value * multiples,
        np.tile(FACTORS, (n_pixels, 1)),
        np.tile(LIMITS, (n_pixels, 1)),
    ]
    return np.sort(np.concatenate(norms, axis=1), axis=1)


def scan_statistic(pairs: PixelBinPairs, norms: Array) -> Array:
    """Return the statistic at several norms, minus that at norm zero.

    Parameters
    ----------
    pairs : PixelBinPairs
        Pixels, and all bins that their kernels cover.
    norms : array
        The norms, shape (n, m).

    Returns
    -------
    array
        The differences of the statistic, shape (n, m). Negative predicted counts are set to zero.
    """
    null = _statistic(pairs, np.zeros(pairs.size))
    return np.stack([_statistic(pairs, column) - null for column in norms.T], axis=1)


def _statistic(pairs: PixelBinPairs, norm: Array) -> Array:
    """Return the Cash statistic of the bins with signal, shape (n,)."""
    predicted = np.maximum(pairs.predict(norm), TRUNCATION)
    return 2 * pairs.sum_by_pixel(predicted - pairs.counts * np.log(predicted))
