"""Lower points elsewhere: in neighbouring pixels, nearby, or anywhere on the map."""

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
    "a source was not detected where it started, or shared the counts of another: the fit began "
    "again where the counts exceed the prediction most"
)


@attrs.frozen(eq=False)
class LowerPoint:
    """A point that is lower than the end of a search.

    Parameters
    ----------
    z : array
        The point, in pixel coordinates, shape (n,).
    notes : tuple of str
        Remarks for the user.
    """

    z: Array
    notes: tuple[str, ...] = ()


def lower_elsewhere(cells: CellSearch, z: Array, errors: Array) -> LowerPoint | None:
    """Look for a lower point around the end of a search.

    Parameters
    ----------
    cells : CellSearch
        The search among pixels; its calls are counted there.
    z, errors : array
        The end of a search and its errors, in pixel coordinates, shape (n,).

    Returns
    -------
    LowerPoint or None
        Where to begin again; None if nothing is lower.
    """
    lower = cells.lower(z)
    if lower is None:
        lower = _nearby(cells, z, errors)
    return relocated(cells, z) if lower is None else LowerPoint(lower)


def _nearby(cells: CellSearch, z: Array, errors: Array) -> Array | None:
    objective = cells.objective
    kinked = (
        np.ones(len(z), dtype=bool)
        if objective.may_be_non_smooth is None
        else objective.may_be_non_smooth.copy()
    )
    kinked[cells.pixels.lines] = False  # those have been searched by pixels
    if not kinked.any():
        return None
    plain = attrs.evolve(objective, may_be_non_smooth=kinked)
    lower, calls = find_lower_neighbour(plain, z, errors, cells.tolerance)
    cells.calls += calls
    return lower


def relocated(cells: CellSearch, z: Array) -> LowerPoint | None:
    """Return a lower minimum with an undetected source moved to where counts are in excess.

    Parameters
    ----------
    cells : CellSearch
        The search among pixels.
    z : array
        The end of a search, in pixel coordinates, shape (n,).

    Returns
    -------
    LowerPoint or None
        None if all sources are detected, or none fits better elsewhere.
    """
    relocate, pixels = cells.objective.relocate, cells.pixels
    if relocate is None:
        return None
    stat = cells.objective.total(z)
    sky = np.clip(pixels.to_sky(z), *pixels.sky.limits.T)
    for x in relocate(sky):
        trial = cells.descend(pixels.moved(z, sky, x))
        if cells.objective.total(trial.x) < stat - cells.gain:
            return LowerPoint(trial.x, (RELOCATED,))
    return None
