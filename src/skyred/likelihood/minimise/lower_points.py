"""Points with a lower statistic than a search result, from which the search restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.nearby import find_lower_neighbour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.minimise.pixel_cells import CellSearch

    Array = NDArray[np.float64]

RELOCATED = (
    "a source was not detected at its fitted position, or coincided with another one: the fit was "
    "restarted from a significant excess of counts elsewhere on the map"
)


@attrs.frozen(eq=False)
class LowerPoint:
    """A point with a lower statistic than the result of a search.

    Parameters
    ----------
    z : array
        The point, in pixel coordinates, shape (n,).
    notes : tuple of str
        Notes for the user.
    """

    z: Array
    notes: tuple[str, ...] = ()


def find_lower_point(cells: CellSearch, z: Array, errors: Array) -> LowerPoint | None:
    """Search for a lower point near a search result, or with a source moved to an excess elsewhere.

    Parameters
    ----------
    cells : CellSearch
        The search among pixel cells; its number of calls is updated.
    z, errors : array
        The result of a search and its errors, in pixel coordinates, shape (n,).

    Returns
    -------
    LowerPoint or None
        The start of the next search; None if no point is lower.
    """
    lower_z = cells.find_lower_cell(z)
    if lower_z is None:
        lower_z = _find_lower_neighbour(cells, z, errors)
    return relocate_source(cells, z) if lower_z is None else LowerPoint(lower_z)


def _find_lower_neighbour(cells: CellSearch, z: Array, errors: Array) -> Array | None:
    objective = cells.objective
    may_be_non_smooth = (
        np.ones(len(z), dtype=bool)
        if objective.may_be_non_smooth is None
        else objective.may_be_non_smooth.copy()
    )
    # the pixel cells have already been searched
    may_be_non_smooth[cells.pixels.piecewise_indices] = False
    if not may_be_non_smooth.any():
        return None
    remaining_objective = attrs.evolve(objective, may_be_non_smooth=may_be_non_smooth)
    neighbour, calls = find_lower_neighbour(remaining_objective, z, errors, cells.tolerance)
    cells.calls += calls
    return neighbour


def relocate_source(cells: CellSearch, z: Array) -> LowerPoint | None:
    """Search for a lower minimum with an undetected or degenerate source moved to an excess.

    Parameters
    ----------
    cells : CellSearch
        The search among pixel cells; its number of calls is updated.
    z : array
        The result of a search, in pixel coordinates, shape (n,).

    Returns
    -------
    LowerPoint or None
        The first lower minimum; None if no source is undetected or degenerate, no other position
        fits better, or the objective cannot relocate sources.
    """
    relocate, pixels = cells.objective.relocate, cells.pixels
    if relocate is None:
        return None
    stat = cells.objective.total(z)
    x = np.clip(pixels.to_sky(z), *pixels.sky_objective.limits.T)
    for relocated_x in relocate(x):
        trial = cells.descend(pixels.update(z, x, relocated_x))
        if cells.objective.total(trial.x) < stat - cells.min_gain:
            return LowerPoint(trial.x, (RELOCATED,))
    return None
