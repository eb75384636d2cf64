"""The profile of the statistic over the size of a source, its best value and its upper limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from skyred import FitError, Tasks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred_extension.hypotheses import Hypothesis

    Array = NDArray[np.float64]

ACCURACY = 1e-3  # of an upper limit, relative


def stat_at_size(hypothesis: Hypothesis, size: float) -> float:
    """Return the statistic with the size fixed and all other free parameters fitted.

    Parameters
    ----------
    hypothesis : Hypothesis
        An extended source, from whose parameters the fit starts; it is not changed.
    size : float
        The size, in deg.

    Returns
    -------
    float
        The statistic; NaN if the fit does not converge.
    """
    try:
        result = hypothesis.fit_with_size(size)
    except FitError:
        return np.nan
    return result.stat if result.success else np.nan


def compute_profile(hypothesis: Hypothesis, sizes: Array, tasks: Tasks) -> Array:
    """Return the profile of the statistic; the fits run as tasks of the engine.

    Parameters
    ----------
    hypothesis : Hypothesis
        An extended source.
    sizes : array
        The sizes, in deg, shape (n,).
    tasks : Tasks
        Runs the fits.

    Returns
    -------
    array
        The statistic, shape (n,); NaN where a fit does not converge.
    """
    return np.array(tasks.map(stat_at_size, hypothesis, [float(size) for size in sizes]))


def find_upper_limit(
    stat: Callable[[float], float], best: float, threshold: float, sizes: Array, profile: Array
) -> float:
    """Return the size above the best value at which the statistic reaches a threshold.

    Parameters
    ----------
    stat : callable
        Function of a size in deg. Returns the statistic of the profile.
    best : float
        The best value, in deg; 0 for a point source.
    threshold : float
        The statistic.
    sizes, profile : array
        Sizes at which the profile is known, ascending, and the profile, shape (n,).

    Returns
    -------
    float
        The size, in deg. It is the smallest of the sizes if that is above the threshold, and NaN if
        none is, or if a fit does not converge.
    """
    from scipy.optimize import brentq

    is_above = (sizes > best) & (profile > threshold)
    if not is_above.any():
        return float("nan")
    high = int(np.argmax(is_above))
    if high == 0 and best < sizes[0]:
        return float(sizes[0]) if best == 0 else float("nan")
    low = max(best, float(sizes[high - 1]))

    def difference(size: float) -> float:
        value = stat(size) - threshold
        if np.isnan(value):
            raise ArithmeticError(f"the fit at {size} deg did not converge")
        return value

    try:
        return float(brentq(difference, low, float(sizes[high]), rtol=ACCURACY))
    except (ArithmeticError, ValueError):  # ValueError: the profile is below the threshold at `low`
        return float("nan")
