"""The search among pixel cells: a minimum in each cell, and the cells around it.

Along one pixel axis the predicted counts of a point source are a mixture of two templates. With all
other parameters fixed, the statistic is therefore convex within a cell and has one minimum there.
Between cells there are ridges, and false minima behind them. The pixelisation is the same in each
cell, so the minima of a row of cells follow a smooth likelihood: unless the minimum is the lowest,
a neighbouring cell is lower. The search descends to the minimum of its cell, crosses lines into
neighbouring cells while the statistic falls there, and then fits the source in each of the cells
around. It restarts from the lowest cell, and ends if no cell is lower.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional import conditional
from skyred.likelihood.minimise.newton import Descent, descend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, PixelGrid
    from skyred.likelihood.minimise.pixel_coordinates import PixelCoordinates

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

EDGE = 1e-7  # pixels: smallest distance of a search to the sides of its cell
MAX_CROSSINGS = 40
ITERATIONS = 12  # of a fit in a neighbouring cell
CLOSE = 2.0  # in the statistic: cells higher by less are fitted with the correlated parameters
CORRELATED = 0.03  # correlation from which parameters are fitted together with a source
STALE = 0.5  # in the statistic: rejected cells are fitted again after a larger decrease
COARSE = 1e-2  # in the statistic: tolerance of fits in neighbouring cells
SHIFTS = (0.0, -1.0, 1.0)  # pixels, of extended sources
FACTORS = (1.0, 0.5, 2.0)  # of the size of extended sources


@attrs.define(eq=False)
class CellSearch:
    """A search among the pixel cells of an objective.

    Parameters
    ----------
    pixels : PixelCoordinates
        The objective in pixel coordinates.
    tolerance : float
        The expected gain at which Newton steps end, in the statistic.
    gain : float
        The smallest decrease of the statistic to another minimum.
    calls : int
        Calls of the objective and its derivatives.

    Attributes
    ----------
    correlations : array or None
        Absolute correlations of the Fisher matrix, shape (n, n).
    rejected : dict
        From a source and a cell to the statistic at the time when the cell was rejected.
    """

    pixels: PixelCoordinates
    tolerance: float
    gain: float
    calls: int = 0
    correlations: Array | None = attrs.field(init=False, default=None)
    rejected: dict[tuple[float, ...], float] = attrs.field(init=False, factory=dict)

    @property
    def objective(self) -> Objective:
        """The objective in pixel coordinates."""
        return self.pixels.objective

    def descend_with_positive_fluxes(self, z: Array) -> Descent:
        """Minimise, and keep positive amplitudes positive.

        Otherwise a source that is far from its start could get a negative flux, and leave the map
        or cancel another source.

        Parameters
        ----------
        z : array
            Starting values, in pixel coordinates, shape (n,).

        Returns
        -------
        Descent
            The end of the search; sources without flux stay at their start.
        """
        return self._counted(self._descend_across_lines(z, self._positive_flux_box(z)))

    def fit_moved_source(self, z: Array, moved: Index) -> Array:
        """Fit a source that was moved, and all parameters that are correlated with it.

        Parameters
        ----------
        z : array
            All parameters after the move, in pixel coordinates, shape (n,).
        moved : array of int
            Indices of the parameters that were changed, shape (k,).

        Returns
        -------
        array
            All parameters after the fit, shape (n,); positive amplitudes stay positive.
        """
        free = self._correlated_with(moved, self._correlations_at(z))
        free_objective, box = conditional(self.objective, free, z), self._positive_flux_box(z)[free]
        end = self._counted(
            descend(
                free_objective, COARSE, z[free], box=box, iterations=ITERATIONS, least_gain=COARSE
            )
        )
        fitted = z.copy()
        fitted[free] = end.x
        return fitted

    def _positive_flux_box(self, z: Array) -> Array:
        factors, box = self.objective.factors, self.objective.limits.copy()
        if factors is not None:
            positive = factors & (z > 0)
            box[positive, 0] = np.maximum(box[positive, 0], 0)
        return box

    def _descend_across_lines(self, z: Array, box: Array) -> Descent:
        """Minimise across lines; at a line that is a valley, stop if steps gain little."""
        least_gain = COARSE if len(self.pixels.lines) else 0.0
        return descend(self.objective, self.tolerance, z, box=box, least_gain=least_gain)

    def descend(self, z: Array) -> Descent:
        """Minimise within a cell, and cross lines while the statistic falls beyond them.

        Parameters
        ----------
        z : array
            Starting values, in pixel coordinates, shape (n,).

        Returns
        -------
        Descent
            Its `at_bound` includes positions on lines from which the statistic rises to both sides:
            minima without derivatives.
        """
        lines = self.pixels.lines
        end = self._descend_across_lines(z, self.objective.limits)
        if not len(lines):
            return self._counted(end)
        cells = np.floor(end.x[lines])
        for _ in range(MAX_CROSSINGS):
            self._counted(end)
            end = descend(
                self.objective, self.tolerance, end.x, box=self._box(lines, cells), lines=lines
            )
            crossings = self._find_crossings(end, cells)
            if not crossings.any():
                break
            cells = cells + crossings
        return self._counted(end)

    def _counted(self, descent: Descent) -> Descent:
        self.calls += descent.calls
        return descent

    def _box(self, lines: Index, cells: Array) -> Array:
        box = self.objective.limits.copy()
        box[lines] = np.array([cells + EDGE, cells + 1 - EDGE]).T
        return box

    def _find_crossings(self, end: Descent, cells: Array) -> Array:
        """Return the numbers of cells to move along each line.

        Parameters
        ----------
        end : Descent
            The end of a search within cells.
        cells : array
            Lower corners of the cells, shape (lines,).

        Returns
        -------
        array
            -1, 0 or 1, shape (lines,).
        """
        lines = self.pixels.lines
        offsets = end.x[lines] - cells
        side = np.where(offsets < 0.5, -1, 1)
        at_line = end.at_bound[lines] & (np.minimum(offsets, 1 - offsets) < 2 * EDGE)
        if not at_line.any():
            return np.zeros(len(lines))
        crossed = end.x.copy()
        crossed[lines] += np.where(at_line, 2 * EDGE * side, 0)
        gradient = self.objective.gradient(crossed)
        assert gradient is not None
        self.calls += 1
        return np.where(at_line & (gradient[lines] * side < 0), side, 0)

    def find_lower_cell(self, z: Array) -> Array | None:
        """Find a lower minimum with sources in neighbouring cells.

        Parameters
        ----------
        z : array
            A minimum within its cells, in pixel coordinates, shape (n,).

        Returns
        -------
        array or None
            All parameters with the sources in their best neighbouring cells, shape (n,); None if no
            cell is lower.
        """
        best, stat = z, self.objective.total(z)
        self.correlations = None
        for grid in self.pixels.grids:
            before, stat_before = best, stat
            best, stat = self._fit_neighbours(grid, best, stat)
            if best is not before:
                self._update_rejected(grid, z, stat_before - stat)
        return None if best is z else best

    def _fit_neighbours(self, grid: PixelGrid, z: Array, stat: float) -> tuple[Array, float]:
        """Fit one source in each of the cells around it.

        Parameters
        ----------
        grid : PixelGrid
            The pixel grid of the source.
        z : array
            A minimum, in pixel coordinates, shape (n,).
        stat : float
            The statistic there.

        Returns
        -------
        z : array
            The lowest minimum, shape (n,); the same object if no cell is lower.
        stat : float
            The statistic there.
        """
        best, lowest = z, stat - self.gain
        cell = np.floor(z[grid.indices])
        self.rejected[_key(grid, cell)] = stat
        for start, box in _neighbours(grid, z, self.objective.limits):
            key = _key(grid, np.floor(start[grid.indices]))
            if grid.piecewise and self.rejected.get(key, np.inf) < stat + STALE:
                continue
            trial, value = self._fit(grid, start, box, grid.related, lowest + CLOSE)
            if value > lowest + CLOSE or _is_on_side(grid, trial, box, cell):
                self.rejected[key] = stat
                continue
            if lowest - COARSE <= value:
                correlated = self._correlated(grid, z)
                trial, value = self._fit(grid, trial, box, correlated, lowest)
            if value < lowest:
                best, lowest = trial, value
        return (z, stat) if best is z else (best, lowest)

    def _update_rejected(self, grid: PixelGrid, z: Array, gain: float) -> None:
        """Drop the rejected cells of the neighbours of a source that has moved.

        The cells of all other sources stay rejected, with statistics decreased by the gain.

        Parameters
        ----------
        grid : PixelGrid
            The pixel grid of the moved source.
        z : array
            All parameters before the move, in pixel coordinates, shape (n,).
        gain : float
            The decrease of the statistic by the move.
        """
        correlated = set(self._correlated(grid, z).tolist())
        neighbours = {
            tuple(other_grid.indices.tolist())
            for other_grid in self.pixels.grids
            if other_grid is not grid and not correlated.isdisjoint(other_grid.related.tolist())
        }
        own, rejected = tuple(grid.indices.tolist()), dict[tuple[float, ...], float]()
        for key, stat in self.rejected.items():
            indices = key[: len(key) // 2]
            if indices not in neighbours:
                rejected[key] = stat if indices == own else stat - gain
        self.rejected = rejected

    def _correlated(self, grid: PixelGrid, z: Array) -> Index:
        """Return the indices of the parameters of a source and those correlated with them."""
        if self.correlations is None:
            self.correlations = self._correlations_at(z)
        return self._correlated_with(grid.related, self.correlations)

    def _correlations_at(self, z: Array) -> Array:
        fisher = self.objective.fisher(z)
        assert fisher is not None
        self.calls += 1
        own = np.sqrt(np.where(np.diag(fisher) > 0, np.diag(fisher), np.inf))
        return np.asarray(np.abs(fisher / np.outer(own, own)))

    @staticmethod
    def _correlated_with(indices: Index, correlations: Array) -> Index:
        is_correlated = np.array(np.any(correlations[indices] > CORRELATED, axis=0), dtype=bool)
        is_correlated[indices] = True
        return np.flatnonzero(is_correlated)

    def _fit(
        self, grid: PixelGrid, start: Array, box: Array, free: Index, threshold: float
    ) -> tuple[Array, float]:
        fine = len(free) > len(grid.related)
        free_objective = conditional(self.objective, free, start)
        lines = np.flatnonzero(np.isin(free, grid.indices)) if grid.piecewise else None
        end = descend(
            free_objective,
            self.tolerance if fine else COARSE,
            start[free],
            box=box[free],
            lines=lines,
            iterations=ITERATIONS,
            threshold=threshold,
        )
        self.calls += end.calls
        trial = start.copy()
        trial[free] = end.x
        value = free_objective.total(end.x)
        return trial, value if np.isfinite(value) else np.inf


def _key(grid: PixelGrid, cell: Array) -> tuple[float, ...]:
    return (*grid.indices.tolist(), *cell.tolist())


def _is_on_side(grid: PixelGrid, trial: Array, box: Array, cell: Array) -> bool:
    """Return whether a fit in a cell ended on its side towards the original cell of the source.

    That side also belongs to the cell beyond it, which has its own minimum and is compared.
    """
    if not grid.piecewise:
        return False
    low, high = box[grid.indices].T
    direction = np.floor((low + high) / 2) - cell
    at_side = np.where(direction > 0, trial[grid.indices] - low, high - trial[grid.indices])
    return bool(np.any((direction != 0) & (at_side <= 0)))


def _neighbours(grid: PixelGrid, z: Array, limits: Array) -> list[tuple[Array, Array]]:
    """Return starting values and bounds of the fits around a source.

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
    sizes = FACTORS if grid.size is not None else (1.0,)
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
        start, box, neighbour = z.copy(), limits.copy(), cell + shift
        start[grid.indices] = neighbour + 0.5
        box[grid.indices] = np.array([neighbour + EDGE, neighbour + 1 - EDGE]).T
        starts.append((start, box))
    return starts
