"""Significances in sigma from differences of the statistic."""

from __future__ import annotations

import numpy as np

SMALLEST_PROBABILITY = 1e-280  # smaller tail probabilities lose precision


def significance(ts: float, dof: int) -> float:
    """Return the significance of a difference between the statistics of two nested models.

    If the smaller model is true, the difference follows a chi-square distribution (Wilks' theorem).
    The probability is converted to a two-sided significance, as in gammapy: with one degree of
    freedom, the significance is the square root of the difference.

    Parameters
    ----------
    ts : float
        The difference of -2 log L.
    dof : int
        The number of additional parameters of the larger model.

    Returns
    -------
    float
        Significance in sigma; 0 for a difference that is not positive, NaN if there are no degrees
        of freedom or the difference is not finite.

    References
    ----------
    Wilks 1938, Ann. Math. Stat. 9, 60.
    """
    from scipy.stats import chi2, norm

    if dof < 1 or not np.isfinite(ts):
        return np.nan
    if ts <= 0:
        return 0.0
    if dof == 1:
        return float(np.sqrt(ts))
    tail = float(chi2.sf(ts, dof))
    if tail > SMALLEST_PROBABILITY:
        return float(norm.isf(tail / 2))
    return _sigma_from_log_tail(_log_tail(ts / 2, dof / 2))


def _log_tail(x: float, a: float) -> float:
    """Return the logarithm of the regularised upper incomplete gamma function.

    The asymptotic series 6.5.32 of Abramowitz & Stegun is used, for x much larger than a.
    """
    from scipy.special import gammaln

    term, total = 1.0, 1.0
    for order in range(1, 40):
        next_term = term * (a - order) / x
        if abs(next_term) >= abs(term):
            break
        term = next_term
        total += term
    return float((a - 1) * np.log(x) - x - gammaln(a) + np.log(total))


def _sigma_from_log_tail(log_tail: float) -> float:
    """Return sigma for the logarithm of a two-sided probability."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    highest = np.sqrt(-2 * log_tail)
    return float(brentq(lambda sigma: norm.logsf(sigma) + np.log(2) - log_tail, 1.0, highest))
