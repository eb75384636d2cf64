"""Repeated searches by MIGRAD: from a start, and again from each lower point around the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.lower_points import find_lower_point, relocate_source
from skyred.likelihood.minimise.minuit import MinuitSearch
from skyred.likelihood.minimise.nearby import GAIN, RESTARTS, find_lower_neighbour
from skyred.likelihood.minimise.pixel_cells import CellSearch
from skyred.likelihood.minimise.pixel_coordinates import PixelCoordinates
from skyred.likelihood.minimise.search_result import SearchResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]


def search_by_minuit(
    objective: Objective,
    minuit: MinuitSearch,
    tolerance: float,
    start: Array | None = None,
    errors: Array | None = None,
) -> SearchResult:
    """Minimise by MIGRAD, and restart from lower values around its end.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    minuit : MinuitSearch
        Minuit on this objective.
    tolerance : float
        The estimated distance to the minimum at which a search ends, in the statistic.
    start, errors : array, optional
        Starting values and steps, shape (n,); by default those of the objective.

    Returns
    -------
    SearchResult
        The end of the last search.
    """
    start = objective.start if start is None else start
    steps = objective.steps if errors is None else errors
    end = minuit.migrad(start, steps)
    if end.message and end.calls < minuit.calls and errors is not None:
        end = _better(objective, end, minuit.migrad(objective.start, objective.steps))
    for _ in range(RESTARTS):
        if end.calls > minuit.calls:
            break
        lower, notes, calls = _find_lower(objective, end, tolerance)
        end = attrs.evolve(end, calls=end.calls + calls)
        if lower is None:
            break
        second = minuit.migrad(lower, end.errors)
        end = _better(objective, end, attrs.evolve(second, notes=notes))
        if end.values is not second.values:
            # MIGRAD did not reach the lower point
            end = attrs.evolve(end, message=second.message or "MIGRAD ended above a lower point")
    return _refresh_irfs(objective, minuit, end)


def _better(objective: Objective, first: SearchResult, second: SearchResult) -> SearchResult:
    """Return the valid one of two searches, or the lower one if both are valid."""
    calls, notes = first.calls + second.calls, dict.fromkeys((*first.notes, *second.notes))
    higher = objective.total(second.values) > objective.total(first.values)
    better = first if second.message or (higher and not first.message) else second
    return attrs.evolve(better, calls=calls, notes=tuple(notes))


def _find_lower(
    objective: Objective, end: SearchResult, tolerance: float
) -> tuple[Array | None, tuple[str, ...], int]:
    """Return a lower point around the end of a search.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    end : SearchResult
        The end of the search.
    tolerance : float
        The accuracy of the minimum, in the statistic.

    Returns
    -------
    x : array or None
        The point, shape (n,); None if there is none.
    notes : tuple of str
        Notes for the user.
    calls : int
        Calls of the objective and its derivatives.
    """
    if objective.gradient_of is None or objective.fisher_of is None:
        if end.message:
            return None, (), 0
        lower, calls = find_lower_neighbour(objective, end.values, end.errors, tolerance)
        return lower, (), calls
    pixels = PixelCoordinates(objective, end.values)
    cells = CellSearch(pixels, tolerance, GAIN * tolerance)
    z = pixels.to_pixels(end.values)
    if end.message:  # the position of an undetected source cannot converge
        point = relocate_source(cells, z)
    else:
        point = find_lower_point(cells, z, pixels.errors(end.values, end.errors))
    if point is None:
        return None, (), cells.calls
    return np.clip(pixels.to_sky(point.z), *objective.limits.T), point.notes, cells.calls


def _refresh_irfs(objective: Objective, minuit: MinuitSearch, end: SearchResult) -> SearchResult:
    """Update the IRFs at the end of a search, and continue from there."""
    if objective.refresh is None or not objective.refresh(end.values) or end.message:
        return end
    end = _better(objective, end, minuit.migrad(end.values, end.errors))
    objective.refresh(end.values)
    return end
