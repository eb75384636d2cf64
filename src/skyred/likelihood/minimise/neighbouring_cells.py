"""Cells around a source: starts and bounds of the fits in them, and fits that end at a boundary."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import PixelGrid

    Array = NDArray[np.float64]

EDGE_MARGIN = 1e-7  # pixels: searches keep this distance from the boundaries of their cell
SHIFTS = (0.0, -1.0, 1.0)  # pixels: shifts of extended sources
SIZE_FACTORS = (1.0, 0.5, 2.0)  # changes of the size of extended sources


def starts_around(grid: PixelGrid, z: Array, limits: Array) -> list[tuple[Array, Array]]:
    """Return starting values and bounds for fits of a source in neighbouring cells.

    An extended source has no cells: it is shifted by a pixel, and its size is changed.

    Parameters
    ----------
    grid : PixelGrid
        The pixel grid of the source.
    z : array
        A minimum, in pixel coordinates, shape (n,).
    limits : array
        Limits of the parameters, shape (n, 2).

    Returns
    -------
    list of (array, array)
        Starting values, shape (n,), and bounds, shape (n, 2).
    """
    if grid.piecewise:
        return _cells_around(grid, z, limits)
    starts = []
    sizes = SIZE_FACTORS if grid.size is not None else (1.0,)
    for *shift, factor in product(*[SHIFTS] * len(grid.indices), sizes):
        if not any(shift) and factor == 1:
            continue
        start = z.copy()
        start[grid.indices] += shift
        if grid.size is not None:
            start[grid.size] = np.clip(factor * z[grid.size], *limits[grid.size])
        starts.append((start, limits))
    return starts


def _cells_around(grid: PixelGrid, z: Array, limits: Array) -> list[tuple[Array, Array]]:
    cell, starts = np.floor(z[grid.indices]), []
    for shift in product((-1, 0, 1), repeat=len(grid.indices)):
        if not any(shift):
            continue
        start, bounds, neighbour = z.copy(), limits.copy(), cell + shift
        start[grid.indices] = neighbour + 0.5
        bounds[grid.indices] = cell_bounds(neighbour)
        starts.append((start, bounds))
    return starts


def cell_bounds(cell: Array) -> Array:
    """Return the bounds of searches within a cell.

    Parameters
    ----------
    cell : array
        Lower corner of the cell, in pixels, shape (k,).

    Returns
    -------
    array
        Lower and upper bounds, shape (k, 2).
    """
    return np.array([cell + EDGE_MARGIN, cell + 1 - EDGE_MARGIN]).T


def ended_at_near_side(grid: PixelGrid, trial: Array, bounds: Array, cell: Array) -> bool:
    """Return whether a fit in a cell ended at the boundary nearest to the original cell.

    The cell beyond this boundary shares it, so its minimum is not higher.

    Parameters
    ----------
    grid : PixelGrid
        The pixel grid of the source.
    trial : array
        The result of the fit, in pixel coordinates, shape (n,).
    bounds : array
        Bounds of the fit, shape (n, 2).
    cell : array
        Lower corner of the original cell, shape (k,).

    Returns
    -------
    bool
        Whether it ended at this boundary; false for extended sources, which have no cells.
    """
    if not grid.piecewise:
        return False
    low, high = bounds[grid.indices].T
    direction = np.floor((low + high) / 2) - cell
    distance = np.where(direction > 0, trial[grid.indices] - low, high - trial[grid.indices])
    return bool(np.any((direction != 0) & (distance <= 0)))
