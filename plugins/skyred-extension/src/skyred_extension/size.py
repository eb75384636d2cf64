"""The profile of the statistic over the size of a source, its best value and its upper limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from skyred import FitError, Tasks
from skyred_extension.hypotheses import EXCLUDED_RISE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred_extension.hypotheses import Hypothesis

    Array = NDArray[np.float64]

ACCURACY = 1e-3  # of an upper limit, relative


def stat_at_size(hypothesis: Hypothesis, size: float, start: float | None = None) -> float:
    """Return the statistic with the size fixed and all other free parameters fitted.

    Parameters
    ----------
    hypothesis : Hypothesis
        An extended source, from whose parameters the fit starts; it is not changed.
    size : float
        The size, in deg.
    start : float, optional
        Another size, in deg, from whose parameters at the minimum the fit starts.

    Returns
    -------
    float
        The statistic; NaN if the fit does not converge.
    """
    try:
        result = hypothesis.fit_with_size(size, start=start)
    except FitError:
        return np.nan
    return result.stat if result.success else np.nan


def stat_from_neighbour(hypothesis: Hypothesis, pair: tuple[float, float]) -> float:
    """Return the statistic at a size, from the parameters of another size: size, other size."""
    return stat_at_size(hypothesis, *pair)


def compute_profile(hypothesis: Hypothesis, sizes: Array, tasks: Tasks) -> Array:
    """Return the profile of the statistic; the fits run as tasks of the engine.

    Fits that do not converge start again from the parameters of a neighbour that did, unless the
    statistic of the neighbour is far above that of a point source.

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
    profile = np.array(tasks.map(stat_at_size, hypothesis, [float(size) for size in sizes]))
    tried: set[tuple[int, int]] = set()
    highest = hypothesis.stat_point + EXCLUDED_RISE
    while pairs := [pair for pair in _failed_and_neighbours(profile, highest) if pair not in tried]:
        tried.update(pairs)
        starts = [(float(sizes[failed]), float(sizes[start])) for failed, start in pairs]
        stats = tasks.map(stat_from_neighbour, hypothesis, starts)
        for (failed, _), stat in zip(pairs, stats, strict=True):
            profile[failed] = np.fmin(profile[failed], stat)
    return profile


def _failed_and_neighbours(profile: Array, highest: float) -> list[tuple[int, int]]:
    """Return the indices of points that are NaN, with those of neighbours up to a statistic."""
    return [
        (index, neighbour)
        for index in np.flatnonzero(np.isnan(profile)).tolist()
        for neighbour in (index - 1, index + 1)
        if 0 <= neighbour < len(profile) and profile[neighbour] <= highest
    ]


def find_upper_limit(
    stat: Callable[[float], float], best: float, threshold: float, sizes: Array, profile: Array
) -> tuple[float, str]:
    """Return the size above the best value at which the statistic reaches a threshold.

    Parameters
    ----------
    stat : callable
        Function of a size in deg. Returns the statistic of the profile, also at `best`.
    best : float
        The best value, in deg; 0 for a point source.
    threshold : float
        The statistic.
    sizes, profile : array
        Sizes of the profile, ascending, and the profile, shape (n,); NaN where unknown.

    Returns
    -------
    limit : float
        The size, in deg; NaN if no size is above the threshold. If fits do not converge, it is the
        first size above the threshold, which is conservative.
    remark : str
        The reason, if the limit is not the size at which the statistic reaches the threshold.
    """
    from scipy.optimize import brentq

    is_above = (sizes > best) & (profile > threshold)
    if not is_above.any():
        if np.isnan(profile[-1]):
            return np.nan, "no upper limit: the fits at the largest sizes did not converge"
        return np.nan, "no upper limit: it is above size_max"
    high = int(np.argmax(is_above))
    if high == 0 and best == 0:
        return float(sizes[0]), "the upper limit is below size_min"
    is_below = np.isfinite(profile[:high]) & (sizes[:high] > best)
    low = float(sizes[:high][is_below][-1]) if is_below.any() else best

    def difference(size: float) -> float:
        value = stat(size) - threshold
        if np.isnan(value):
            raise ArithmeticError(f"the fit at {size} deg did not converge")
        return value

    try:
        return float(brentq(difference, low, float(sizes[high]), rtol=ACCURACY)), ""
    except (ArithmeticError, ValueError):  # ValueError: the statistic at `low` is too high
        remark = "fits did not converge: the upper limit is the next size above it (conservative)"
        return float(sizes[high]), remark
