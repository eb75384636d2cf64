"""MIGRAD from a start, and again from whatever is lower than where it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.elsewhere import lower_elsewhere, relocated
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
    """Search by MIGRAD, look for lower values around its end, and begin again from them.

    Parameters
    ----------
    objective : Objective
        The function to minimise.
    minuit : MinuitSearch
        Minuit on it.
    tolerance : float
        The estimated distance at which a search ends, in the statistic.
    start, errors : array, optional
        Where to begin, and in which steps, shape (n,); by default those of the objective.

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
        lower, notes, calls = _lower(objective, end, tolerance)
        end = attrs.evolve(end, calls=end.calls + calls)
        if lower is None:
            break
        again = minuit.migrad(lower, end.errors)
        end = _better(objective, end, attrs.evolve(again, notes=notes))
        if end.values is not again.values:
            # MIGRAD did not follow to what is lower
            end = attrs.evolve(end, message=again.message or "MIGRAD ended above a lower point")
    return _at_fresh_irfs(objective, minuit, end)


def _better(objective: Objective, first: SearchResult, second: SearchResult) -> SearchResult:
    """Return the lower one of two searches that are valid, else the valid one."""
    calls, notes = first.calls + second.calls, dict.fromkeys((*first.notes, *second.notes))
    higher = objective.total(second.values) > objective.total(first.values)
    better = first if second.message or (higher and not first.message) else second
    return attrs.evolve(better, calls=calls, notes=tuple(notes))


def _lower(
    objective: Objective, end: SearchResult, tolerance: float
) -> tuple[Array | None, tuple[str, ...], int]:
    """Return a lower point elsewhere or None, remarks on it, and the calls that it took."""
    if objective.gradient_of is None or objective.fisher_of is None:
        if end.message:
            return None, (), 0
        lower, calls = find_lower_neighbour(objective, end.values, end.errors, tolerance)
        return lower, (), calls
    pixels = PixelCoordinates(objective, end.values)
    cells = CellSearch(pixels, tolerance, GAIN * tolerance)
    z = pixels.to_pixels(end.values)
    if end.message:  # a source that is not seen where it starts has no position to converge to
        point = relocated(cells, z)
    else:
        point = lower_elsewhere(cells, z, pixels.errors(end.values, end.errors))
    if point is None:
        return None, (), cells.calls
    return np.clip(pixels.to_sky(point.z), *objective.limits.T), point.notes, cells.calls


def _at_fresh_irfs(objective: Objective, minuit: MinuitSearch, end: SearchResult) -> SearchResult:
    """Look the IRFs up at the end, for the statistic that is reported, and go on from there."""
    if objective.refresh is None or not objective.refresh(end.values) or end.message:
        return end
    end = _better(objective, end, minuit.migrad(end.values, end.errors))
    objective.refresh(end.values)
    return end
