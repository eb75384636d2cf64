"""MIGRAD from a start, and again from whatever is lower than where it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from skyred.minimise.minuit import MinuitSearch
from skyred.minimise.nearby import GAIN, RESTARTS, lower_nearby
from skyred.minimise.pixel_cells import CellSearch
from skyred.minimise.pixel_coordinates import PixelCoordinates
from skyred.minimise.search_result import SearchResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from skyred.objective import Objective

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
        end = _better(end, minuit.migrad(objective.start, objective.steps))
    for _ in range(RESTARTS):
        if end.message or end.calls > minuit.calls:
            break
        lower, calls = _lower(objective, end, tolerance)
        end = attrs.evolve(end, calls=end.calls + calls)
        if lower is None:
            break
        end = _better(end, minuit.migrad(lower, end.errors))
    return _at_fresh_irfs(objective, minuit, end)


def _better(first: SearchResult, second: SearchResult) -> SearchResult:
    calls = first.calls + second.calls
    return attrs.evolve(first if second.message else second, calls=calls)


def _lower(objective: Objective, end: SearchResult, tolerance: float) -> tuple[Array | None, int]:
    """Return a lower point in neighbouring pixels or nearby, or None; and the calls it took."""
    calls = 0
    if objective.gradient_of is not None and objective.fisher_of is not None:
        pixels = PixelCoordinates(objective, end.values)
        cells = CellSearch(pixels, tolerance, GAIN * tolerance)
        lower = cells.lower(pixels.to_pixels(end.values)) if pixels.grids else None
        if lower is not None:
            return pixels.to_sky(lower), cells.calls
        calls = cells.calls
    lower, more = lower_nearby(objective, end.values, end.errors, tolerance)
    return lower, calls + more


def _at_fresh_irfs(objective: Objective, minuit: MinuitSearch, end: SearchResult) -> SearchResult:
    """Look the IRFs up at the end, for the statistic that is reported, and go on from there."""
    if objective.refresh is None or not objective.refresh(end.values) or end.message:
        return end
    end = _better(end, minuit.migrad(end.values, end.errors))
    objective.refresh(end.values)
    return end
