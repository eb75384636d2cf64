"""The norm of a source: its best value, errors, limits and significance along a profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from skyred.likelihood.profile import Profile

ITERATIONS = 50
HALVINGS = 40
ACCURACY = 1e-7  # of the error, at which Newton steps end
GROWTH = 1.6  # of a bracket, until it holds the crossing
BRACKETS = 80


@attrs.frozen
class Norm:
    """A fitted norm.

    Parameters
    ----------
    value, error : float
        The best norm and its error by the second derivative; NaN if it has none.
    stat : float
        The statistic there.
    success : bool
        Whether this is a minimum.
    """

    value: float
    error: float
    stat: float
    success: bool


def best_norm(
    profile: Profile, start: float = 1.0, low: float = -np.inf, high: float = np.inf
) -> Norm:
    """Find the minimum of a profile by damped Newton steps.

    Parameters
    ----------
    profile : Profile
        The statistic along the norm.
    start : float
        Where to begin.
    low, high : float
        The limits of the norm.

    Returns
    -------
    Norm
        Its success is false where the statistic has no minimum, as without any counts.
    """
    norm, stat, success = float(np.clip(start, low, high)), profile.stat(start), False
    for _ in range(ITERATIONS):
        slope, curvature = profile.slopes(norm)
        if not (curvature > 0 and np.isfinite(slope)):
            break
        trial, there = _downhill(profile, norm, stat, -slope / curvature, low, high)
        step, norm, stat = trial - norm, trial, there
        if abs(step) < ACCURACY * np.sqrt(2 / curvature):
            success = True
            break
    _, curvature = profile.slopes(norm)
    error = float(np.sqrt(2 / curvature)) if curvature > 0 else np.nan
    return Norm(norm, error, stat, success and np.isfinite(error))


def _downhill(
    profile: Profile, norm: float, stat: float, step: float, low: float, high: float
) -> tuple[float, float]:
    for _ in range(HALVINGS):
        trial = float(np.clip(norm + step, low, high))
        there = profile.stat(trial)
        if there <= stat + 1e-9:
            return trial, there
        step /= 2
    return norm, stat


def crossing(
    profile: Profile, best: Norm, sigma: float, side: int, limit: float = np.inf
) -> float:
    """Find how far from its best value the norm is by some sigma.

    Parameters
    ----------
    profile : Profile
        The statistic along the norm.
    best : Norm
        Its minimum.
    sigma : float
        The statistic rises by its square.
    side : {-1, 1}
        Whether to go down or up.
    limit : float
        The limit of the norm on that side.

    Returns
    -------
    float
        The distance; NaN if there is none.
    """
    if not np.isfinite(best.error):
        return np.nan

    def rise(away: float) -> float:
        return profile.stat(best.value + side * away) - best.stat - sigma**2

    farthest = abs(limit - best.value)
    return root(rise, 0.0, min(sigma * best.error, farthest), farthest)


def sensitivity(asimov: Callable[[float], float], best: Norm, sigma: float) -> float:
    """Find the norm that would be significant by some sigma; NaN if there is none.

    Parameters
    ----------
    asimov : callable
        From a norm to the gain in the statistic that it is expected to give.
    best : Norm
        The fitted norm, for its error.
    sigma : float
        The significance.
    """
    if not np.isfinite(best.error):
        return np.nan
    return root(lambda norm: asimov(norm) - sigma**2, 0.0, sigma * best.error)


def root(
    function: Callable[[float], float], low: float, first: float, highest: float = np.inf
) -> float:
    """Find where a function that is negative at `low` becomes positive; NaN if it does not.

    The bracket begins at `first` and grows up to `highest`.
    """
    from scipy.optimize import brentq

    high = first
    for _ in range(BRACKETS):
        value = function(high)
        if value > 0:
            return float(brentq(function, low, high, xtol=1e-9 * high, rtol=1e-9))
        if high >= highest or not np.isfinite(value):
            break
        low, high = high, min(GROWTH * high, highest)
    return np.nan
