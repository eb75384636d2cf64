"""Errors from the distance at which the statistic has risen by one, where it is not smooth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

MAX_EVALUATIONS = 8  # in the search for a rise of the statistic by one
RISE_ACCURACY = 0.01  # accuracy of this rise


def curvature_at_limit(
    objective: Objective, x: Array, index: int, curvature: float
) -> tuple[float, int]:
    """Return the curvature of a parameter at its limit, also where the statistic is linear.

    Parameters
    ----------
    objective : Objective
        The objective, with gradient.
    x : array
        The minimum, shape (n,).
    index : int
        Index of the parameter.
    curvature : float
        The second derivative.

    Returns
    -------
    curvature : float
        That of a parabola that rises as much as the statistic, at the distance at which it has
        risen by one; zero if the statistic is constant.
    calls : int
        Number of calls of the objective and its gradient.
    """
    gradient = objective.gradient(x)
    assert gradient is not None
    low, high = objective.limits[index]
    side = 1.0 if x[index] - low < high - x[index] else -1.0
    slope = side * float(gradient[index])
    if not (np.isfinite(slope) and slope > 0):
        return curvature, 1
    curvature = curvature if curvature > 0 and np.isfinite(curvature) else 0.0
    length = 2 / (slope + np.sqrt(slope**2 + 2 * curvature))  # of a parabola
    step, rise, calls = find_rise(objective, x, index, side * length)
    if not rise > 0:  # the statistic is not a rising function, or not finite
        return 2 / length**2, calls + 1
    return 2 * rise / step**2, calls + 1


def find_rise(objective: Objective, x: Array, index: int, step: float) -> tuple[float, float, int]:
    """Find the step along a parameter at which the statistic has risen by one.

    Parameters
    ----------
    objective : Objective
        The objective.
    x : array
        The minimum, shape (n,).
    index : int
        Index of the parameter.
    step : float
        Approximate step, negative for smaller values; it does not cross limits.

    Returns
    -------
    step : float
        The step.
    rise : float
        The rise of the statistic: one, unless it rises by less; NaN if it is not finite.
    calls : int
        Number of calls of the objective.
    """
    lowest, best_step, best_rise = objective.total(x), step, np.nan
    calls = 1
    for _ in range(MAX_EVALUATIONS):
        calls += 1
        limited_step = float(np.clip(step, *(objective.limits[index] - x[index])))
        point = x.copy()
        point[index] += limited_step
        rise = objective.total(point) - lowest
        if not np.isfinite(rise):
            step /= 2
            continue
        if abs(limited_step) > abs(best_step) and rise < best_rise < 1:
            break  # beyond a maximum
        is_limited, best_step, best_rise = limited_step != step, limited_step, float(rise)
        if abs(rise - 1) < RISE_ACCURACY or (is_limited and rise < 1):
            break
        step = limited_step * float(np.clip(1 / np.sqrt(max(rise, 0.1)), 0.5, 2))
    return best_step, best_rise, calls
