"""Significances: from a difference of statistics to sigma, however large."""

from __future__ import annotations

import numpy as np

SMALLEST = 1e-280  # of a probability that is not yet lost in rounding


def significance(ts: float, dof: int) -> float:
    """Give the significance of a difference between the statistics of two nested models.

    By Wilks' theorem (Wilks 1938, Ann. Math. Stat. 9, 60) it follows a chi-square distribution.
    Sigma is two-sided, as in gammapy: with one degree of freedom it is the root of the difference.

    Parameters
    ----------
    ts : float
        The difference of -2 log L.
    dof : int
        How many parameters the one model has more.

    Returns
    -------
    float
        In sigma; 0 for a difference that is not positive, NaN without degrees of freedom.
    """
    from scipy.stats import chi2, norm

    if dof < 1 or not np.isfinite(ts):
        return np.nan
    if ts <= 0:
        return 0.0
    if dof == 1:
        return float(np.sqrt(ts))
    tail = float(chi2.sf(ts, dof))
    if tail > SMALLEST:
        return float(norm.isf(tail / 2))
    return _far_out(_log_tail(ts / 2, dof / 2))


def _log_tail(x: float, a: float) -> float:
    """Give the logarithm of the upper incomplete gamma function over the complete one.

    By the asymptotic series of Abramowitz & Stegun 6.5.32; x is far above a here.
    """
    from scipy.special import gammaln

    term, total = 1.0, 1.0
    for order in range(1, 40):
        following = term * (a - order) / x
        if abs(following) >= abs(term):
            break
        term = following
        total += term
    return float((a - 1) * np.log(x) - x - gammaln(a) + np.log(total))


def _far_out(log_tail: float) -> float:
    """Find sigma of the logarithm of a two-sided probability."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    highest = np.sqrt(-2 * log_tail)
    return float(brentq(lambda sigma: norm.logsf(sigma) + np.log(2) - log_tail, 1.0, highest))
