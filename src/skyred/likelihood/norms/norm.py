"""The norm of a source: its best value, errors, limits and significance along a profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from skyred.likelihood.norms.profile import Held, Profile

ITERATIONS = 50
HALVINGS = 40
ACCURACY = 1e-7  # of the error, at which Newton steps end
GAIN = 1e-6  # in the statistic, below which a slope is no reason to go on
FLAT = 1e-6  # a curvature that is rounding
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

    @property
    def scale(self) -> float:
        """How far away to look for crossings first."""
        return self.error if np.isfinite(self.error) else 1.0


def best_norm(
    profile: Held, start: float = 1.0, low: float = -np.inf, high: float = np.inf
) -> Norm:
    """Find the minimum of a profile by damped Newton steps.

    Parameters
    ----------
    profile : Held
        The statistic along the norm, the rest held.
    start : float
        Where to begin.
    low, high : float
        The limits of the norm.

    Returns
    -------
    Norm
        Its success is false where the statistic has no minimum, as without any counts on a known
        background. At a kink, as without any counts on the source, its error is NaN.
    """
    norm, stat = float(np.clip(start, low, high)), profile.stat(float(np.clip(start, low, high)))
    for _ in range(ITERATIONS):
        slope, curvature = profile.slopes(norm)
        if not (curvature > 0 and np.isfinite(slope)):
            break
        trial, there = _downhill(profile, norm, stat, -slope / curvature, low, high)
        step, norm, stat = trial - norm, trial, there
        if abs(step) < ACCURACY * np.sqrt(2 / curvature):
            if step or slope**2 / (2 * curvature) < GAIN:
                return Norm(norm, float(np.sqrt(2 / curvature)), stat, True)
            break
    return _bracketed(profile, norm, low, high)


def _bracketed(profile: Held, norm: float, low: float, high: float) -> Norm:
    """Find a minimum without derivatives: it may be a kink, as where there are no counts on."""
    from scipy.optimize import minimize_scalar

    here, width = profile.stat(norm), max(abs(norm), 1.0)
    for _ in range(BRACKETS):
        left, right = max(norm - width, low), min(norm + width, high)
        ends = profile.stat(left), profile.stat(right)
        if (ends[0] > here or left == low) and (ends[1] > here or right == high):
            found = minimize_scalar(profile.stat, bounds=(left, right), options={"xatol": 1e-9})
            # the search within bounds ends beside them, though a limit may hold the minimum
            inner = float(found.fun), float(found.x)
            stat, best = min((ends[0], left), (ends[1], right), inner)
            curvature = profile.slopes(best)[1]
            error = float(np.sqrt(2 / curvature)) if curvature > FLAT else np.nan
            return Norm(best, error, stat, bool(found.success))
        norm, here = min([(here, norm), (ends[0], left), (ends[1], right)])[::-1]
        width *= GROWTH
    return Norm(np.nan, np.nan, np.nan, False)


def _downhill(
    profile: Held, norm: float, stat: float, step: float, low: float, high: float
) -> tuple[float, float]:
    for _ in range(HALVINGS):
        trial = float(np.clip(norm + step, low, high))
        there = profile.stat(trial)
        if there <= stat + 1e-9:
            return trial, there
        step /= 2
    return norm, stat


def crossing(profile: Profile, best: Norm, sigma: float, side: int, limit: float = np.inf) -> float:
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
    if not best.success:
        return np.nan

    def rise(away: float) -> float:
        return profile.stat(best.value + side * away) - best.stat - sigma**2

    farthest = abs(limit - best.value)
    return root(rise, 0.0, min(sigma * best.scale, farthest), farthest)


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
    return root(lambda norm: asimov(norm) - sigma**2, 0.0, sigma * best.scale)


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
