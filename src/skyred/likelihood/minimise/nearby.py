"""Lower points close to a minimum, for statistics with non-differentiable points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

RESTARTS = 20  # maximum number of new searches from lower points
FRACTIONS = (-0.5, -0.25, 0.25, 0.5)  # in sigma
MIN_GAIN_FACTOR = 10.0  # smallest decrease for a new search, in units of the tolerance


def find_lower_neighbour(
    objective: Objective, x: Array, errors: Array, tolerance: float
) -> tuple[Array | None, int]:
    """Search for lower points at fractions of a sigma on both sides of a minimum.

    The search is along the parameters along which the statistic may be non-smooth.

    Parameters
    ----------
    objective : Objective
        The objective that was minimised.
    x, errors : array
        A minimum and its errors, shape (n,).
    tolerance : float
        Tolerance on the fit statistic.

    Returns
    -------
    x : array or None
        The lowest of the points, shape (n,); None if no point is lower by more than 10 times the
        tolerance.
    calls : int
        Number of calls of the objective.
    """
    low, high = objective.limits.T
    lowest_stat, best, calls = objective.total(x) - MIN_GAIN_FACTOR * tolerance, None, 1
    may_be_non_smooth = (
        np.ones(len(x), dtype=bool)
        if objective.may_be_non_smooth is None
        else objective.may_be_non_smooth
    )
    for step in np.diag(np.nan_to_num(errors))[may_be_non_smooth]:
        for fraction in FRACTIONS:
            trial = np.clip(x + fraction * step, low, high)
            stat, calls = objective.total(trial), calls + 1
            if stat < lowest_stat:
                lowest_stat, best = stat, trial
    return best, calls
