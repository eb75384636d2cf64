"""Starts of searches with the backends of gammapy: restarts and initial simplices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.components.fitters.check_minimum import search_inside_limits
from skyred.components.fitters.scaled import ScaledObjective
from skyred.likelihood.minimise.nearby import find_lower_neighbour
from skyred.likelihood.minimise.search_result import SearchResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

MAX_STEP_RATIO = 10.0  # if step and error differ by a larger factor, the fit is repeated
NEIGHBOUR_TOLERANCE = 2e-5  # EDM for `find_lower_neighbour`; the default of the fitter minuit


def create_restart(scaled: ScaledObjective, result: SearchResult) -> Objective | None:
    """Create the objective of a new search from another start, if a new search is needed.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective of the last search.
    result : SearchResult
        The result of the last search.

    Returns
    -------
    Objective or None
        The same objective with another start and other steps; None if the search need not be
        repeated.
    """
    objective, errors = scaled.objective, result.errors
    offsets = scaled.to_offsets(result.values)
    lower_point = search_inside_limits(scaled, offsets)
    if lower_point is not None:
        step = scaled.steps * (lower_point - offsets)
        start = np.clip(result.values + step, *objective.limits.T)
        return attrs.evolve(
            objective, start=start, steps=np.where(step, np.abs(step), scaled.steps)
        )
    if np.any(np.abs(np.log(errors / scaled.steps)) > np.log(MAX_STEP_RATIO)):
        return attrs.evolve(objective, start=result.values, steps=errors)
    if result.message:
        return None
    # the likelihood of a point source has non-differentiable points between local minima
    lower_point, calls = find_lower_neighbour(objective, result.values, errors, NEIGHBOUR_TOLERANCE)
    scaled.calls += calls
    return None if lower_point is None else attrs.evolve(objective, start=lower_point, steps=errors)


def create_simplex(scaled: ScaledObjective) -> Array:
    """Create the initial simplex: the start, and a step along each axis within the limits.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of scaled offsets.

    Returns
    -------
    numpy.ndarray
        The corners, shape (n + 1, n).
    """
    low, high = scaled.limits.T
    steps = np.where(high >= 1, 1.0, np.where(low <= -1, -1.0, np.where(high > -low, high, low)))
    return np.vstack([np.zeros(len(steps)), np.diag(steps)])
