"""Repeated MIGRAD searches: from the start, and from each lower point near the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.lower_points import find_lower_point, relocate_source
from skyred.likelihood.minimise.minuit import MinuitSearch
from skyred.likelihood.minimise.nearby import MIN_GAIN_FACTOR, RESTARTS, find_lower_neighbour
from skyred.likelihood.minimise.pixel_cells import CellSearch
from skyred.likelihood.minimise.pixel_coordinates import PixelCoordinates
from skyred.likelihood.minimise.search_result import SearchResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]


def search_with_minuit(
    objective: Objective,
    minuit: MinuitSearch,
    tolerance: float,
    start: Array | None = None,
    errors: Array | None = None,
) -> SearchResult:
    """Minimise with MIGRAD, and restart from lower points near the result.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    minuit : MinuitSearch
        The minimisation of this objective with Minuit.
    tolerance : float
        Tolerance on the fit statistic in the search for lower points.
    start, errors : array, optional
        Starting values and estimated errors, shape (n,); by default those of the objective.

    Returns
    -------
    SearchResult
        The result of the best search.
    """
    start = objective.start if start is None else start
    steps = objective.steps if errors is None else errors
    result = minuit.migrad(start, steps)
    if result.message and result.calls < minuit.max_calls and errors is not None:
        result = _select_better(objective, result, minuit.migrad(objective.start, objective.steps))
    for _ in range(RESTARTS):
        if result.calls > minuit.max_calls:
            break
        lower_point, notes, calls = _find_lower_point(objective, result, tolerance)
        result = attrs.evolve(result, calls=result.calls + calls)
        if lower_point is None:
            break
        new_result = minuit.migrad(lower_point, result.errors)
        result = _select_better(objective, result, attrs.evolve(new_result, notes=notes))
        if result.values is not new_result.values:
            # the new search failed, or ended at a higher statistic than the previous one
            result = attrs.evolve(
                result,
                message=new_result.message or "MIGRAD ended at a higher statistic than its start",
            )
    return _refresh_irfs(objective, minuit, result)


def _select_better(objective: Objective, first: SearchResult, second: SearchResult) -> SearchResult:
    """Return the better of two results: a valid one, or the lower one if both are valid.

    If neither is valid, the first is returned. Calls and notes are those of both searches.
    """
    calls, notes = first.calls + second.calls, dict.fromkeys((*first.notes, *second.notes))
    is_higher = objective.total(second.values) > objective.total(first.values)
    better = first if second.message or (is_higher and not first.message) else second
    return attrs.evolve(better, calls=calls, notes=tuple(notes))


def _find_lower_point(
    objective: Objective, result: SearchResult, tolerance: float
) -> tuple[Array | None, tuple[str, ...], int]:
    """Search for a lower point near the result of a search.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    result : SearchResult
        The result of the search.
    tolerance : float
        Tolerance on the fit statistic.

    Returns
    -------
    x : array or None
        The point, shape (n,); None if no lower point was found.
    notes : tuple of str
        Notes for the user.
    calls : int
        Number of calls of the objective and its derivatives.
    """
    if objective.gradient_of is None or objective.fisher_of is None:
        if result.message:
            return None, (), 0
        neighbour, calls = find_lower_neighbour(objective, result.values, result.errors, tolerance)
        return neighbour, (), calls
    pixels = PixelCoordinates(objective, result.values)
    cells = CellSearch(pixels, tolerance, MIN_GAIN_FACTOR * tolerance)
    z = pixels.to_pixels(result.values)
    if result.message:  # the position of an undetected source cannot converge
        point = relocate_source(cells, z)
    else:
        point = find_lower_point(cells, z, pixels.errors_to_pixels(result.values, result.errors))
    if point is None:
        return None, (), cells.calls
    return np.clip(pixels.to_sky(point.z), *objective.limits.T), point.notes, cells.calls


def _refresh_irfs(objective: Objective, minuit: MinuitSearch, result: SearchResult) -> SearchResult:
    """Update the IRFs at the result of a search; if they change, refine a valid result."""
    if objective.refresh is None or not objective.refresh(result.values) or result.message:
        return result
    result = _select_better(objective, result, minuit.migrad(result.values, result.errors))
    objective.refresh(result.values)
    return result
