"""Norm of a source from a profile: best value, errors, upper limits and sensitivity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.flux.minimum import Minimum, find_minimum

if TYPE_CHECKING:
    from skyred.likelihood.flux.profile import FixedProfile, NormProfile

GROWTH = 1.6  # factor by which a bracket grows until it contains the root
MAX_BRACKETS = 120
MAX_DECREASE = 0.01  # of the statistic below its minimum; more implies another minimum
HALF_LINE_TOLERANCE = 1e-5  # in the statistic: smaller differences are ignored


@attrs.frozen
class Norm:
    """A fitted norm.

    Parameters
    ----------
    value, error : float
        The best norm, and its error from the second derivative; NaN if undefined.
    stat : float
        The lowest statistic.
    success : bool
        Whether there is a unique best norm.
    scale : float
        First distance from `origin` in the search for errors and limits.
    origin : float
        The norm at which the search for errors and limits starts. It is the best norm, or, if all
        norms below some value have the same statistic, one of them.
    """

    value: float
    error: float
    stat: float
    success: bool
    scale: float = 1.0
    origin: float = attrs.field()

    @origin.default
    def _best(self) -> float:
        return self.value if self.success else np.nan


def find_best_norm(
    profile: FixedProfile, start: float = 1.0, low: float = -np.inf, high: float = np.inf
) -> Norm:
    """Find the minimum of a profile by safeguarded Newton steps.

    Parameters
    ----------
    profile : FixedProfile
        The statistic along the norm, with all other parameters fixed.
    start : float
        Start of the search.
    low, high : float
        The limits of the norm.

    Returns
    -------
    Norm
        The norm; `success` is false if the statistic has no unique minimum. If there are no counts,
        and the background is known, the statistic is the same for all norms below some value: there
        is no best norm, but there are upper limits. At a non-differentiable point or a limit, the
        error is NaN if the curvature is zero there.
    """
    scale = profile.scale
    minimum = find_minimum(profile, start, low, high)
    if minimum is None:
        return Norm(np.nan, np.nan, np.nan, False, scale)
    if minimum.unbounded:
        return _find_half_line(profile, minimum, scale)
    error = np.sqrt(2 / minimum.curvature) if minimum.curvature > 0 else np.nan
    distance = error if np.isfinite(error) else scale
    return Norm(minimum.norm, float(error), profile.stat(minimum.norm), True, float(distance))


def _find_half_line(profile: FixedProfile, minimum: Minimum, scale: float) -> Norm:
    """Return the norm for a statistic that is constant and lowest below some norm."""
    stat, distance = profile.stat(minimum.norm), scale
    origin = 0.0
    while origin > minimum.norm and profile.stat(origin) > stat + HALF_LINE_TOLERANCE:
        origin, distance = -distance, GROWTH * distance
    return Norm(np.nan, np.nan, stat, False, scale, max(origin, minimum.norm))


def find_asymmetric_error(
    profile: NormProfile, best: Norm, sigma: float, side: int, limit: float = np.inf
) -> float:
    """Find the error of the best norm in one direction, where the statistic has risen by sigma^2.

    Parameters
    ----------
    profile : NormProfile
        The statistic along the norm.
    best : Norm
        The norm at its minimum.
    sigma : float
        Square root of the rise of the statistic.
    side : {-1, 1}
        Direction of the search: downwards or upwards.
    limit : float
        The lowest (side -1) or highest (side 1) norm that is allowed.

    Returns
    -------
    float
        The distance from the best norm; NaN if the statistic does not rise that much.
    """
    return _find_distance(profile, best, sigma, side, limit) if best.success else np.nan


def find_upper_limit(
    profile: NormProfile, best: Norm, sigma: float, limit: float = np.inf
) -> float:
    """Find the norm above the best one at which the statistic has risen by sigma squared.

    Parameters
    ----------
    profile : NormProfile
        The statistic along the norm.
    best : Norm
        The norm at its minimum.
    sigma : float
        Square root of the rise of the statistic.
    limit : float
        The highest norm that is allowed.

    Returns
    -------
    float
        The upper limit; NaN if the statistic does not rise that much. There is a limit even if all
        lower norms have the same statistic.
    """
    return best.origin + _find_distance(profile, best, sigma, 1, limit)


def _find_distance(
    profile: NormProfile, best: Norm, sigma: float, side: int, limit: float
) -> float:
    """Find the distance from the minimum at which the statistic has risen by sigma squared."""
    if not np.isfinite(best.origin):
        return np.nan
    lowest_rise = 0.0

    def rise_above_target(distance: float) -> float:
        nonlocal lowest_rise
        rise = profile.stat(best.origin + side * distance) - best.stat
        lowest_rise = min(lowest_rise, rise)
        return rise - sigma**2

    low, high = profile.domain
    if low >= high:  # the domain is empty and ignored, as in `find_minimum`
        low, high = -np.inf, np.inf
    ends = (limit, high) if side > 0 else (-limit, -low)
    max_distance = max(0.0, min(ends) - side * best.origin)
    first_distance = min(sigma * best.scale, max_distance)
    distance = find_root(rise_above_target, 0.0, first_distance, max_distance)
    return distance if lowest_rise > -MAX_DECREASE else np.nan


def find_sensitivity(expected_gain: Callable[[float], float], scale: float, sigma: float) -> float:
    """Find the norm with an expected significance of sigma.

    Parameters
    ----------
    expected_gain : callable
        Function that returns the expected gain in the statistic for a norm.
    scale : float
        The order of magnitude of the error of the norm.
    sigma : float
        The significance.

    Returns
    -------
    float
        The norm; NaN if no norm reaches the significance.
    """
    return find_root(lambda norm: expected_gain(norm) - sigma**2, 0.0, sigma * scale)


def find_root(
    function: Callable[[float], float], low: float, high: float, max_high: float = np.inf
) -> float:
    """Find the root of a function that is negative at `low`.

    Parameters
    ----------
    function : callable
        The function.
    low : float
        Lower end of the first bracket.
    high : float
        Upper end of the first bracket; it grows until the function is positive there.
    max_high : float
        Largest upper end.

    Returns
    -------
    float
        The root; NaN if the function does not become positive.
    """
    from scipy.optimize import brentq

    for _ in range(MAX_BRACKETS):
        value = function(high)
        if value > 0:
            return float(brentq(function, low, high, xtol=1e-14 * high, rtol=1e-9, maxiter=500))
        if high >= max_high or not np.isfinite(value):
            break
        low, high = high, min(GROWTH * high, max_high)
    return np.nan
