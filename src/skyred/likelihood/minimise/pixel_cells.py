"""The search among pixel cells, in which the statistic of point sources has separate minima.

Along one pixel axis, the predicted counts of a point source are a linear combination of two
templates. With all other parameters fixed, the statistic is therefore convex within a cell, and has
one minimum there. At cell boundaries the statistic can have ridges, which create local minima.
Apart from the pixelisation, which is the same in each cell, the likelihood is smooth. Near a local
minimum, a neighbouring cell therefore usually has a lower one.

The search descends to the minimum of its cell, and crosses cell boundaries while the statistic
falls beyond them. Then it fits the source in each of the surrounding cells. It restarts from the
lowest cell, and ends if no cell is lower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional import conditional_objective
from skyred.likelihood.minimise.correlations import correlated_with, fisher_correlations
from skyred.likelihood.minimise.neighbouring_cells import (
    EDGE_MARGIN,
    cell_bounds,
    ended_at_near_side,
    starts_around,
)
from skyred.likelihood.minimise.newton import Descent, descend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, PixelGrid
    from skyred.likelihood.minimise.pixel_coordinates import PixelCoordinates

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

MAX_CROSSINGS = 40
MAX_ITERATIONS = 12  # of a fit of one source in a neighbouring cell, or after it was moved
CLOSE_DIFFERENCE = 2.0  # in the statistic: cells whose fit ends higher by more are rejected
STALE_DECREASE = 0.5  # in the statistic: rejected cells are fitted again after a larger decrease
COARSE_TOLERANCE = 1e-2  # in the statistic: tolerance of preliminary fits of one source


@attrs.define(eq=False)
class CellSearch:
    """A search among the pixel cells of an objective.

    Parameters
    ----------
    pixels : PixelCoordinates
        The objective in pixel coordinates.
    tolerance : float
        Newton steps end when the expected decrease of the statistic is below this value.
    min_gain : float
        Minimum decrease of the statistic for another minimum to be accepted.
    calls : int
        Number of calls of the objective and its derivatives.

    Attributes
    ----------
    correlations : array or None
        Absolute correlations of the Fisher matrix, shape (n, n).
    rejected : dict of float
        The statistic when a cell was rejected, by the indices of the position parameters of the
        source and the lower corner of the cell.
    """

    pixels: PixelCoordinates
    tolerance: float
    min_gain: float
    calls: int = 0
    correlations: Array | None = attrs.field(init=False, default=None)
    rejected: dict[tuple[float, ...], float] = attrs.field(init=False, factory=dict)

    @property
    def objective(self) -> Objective:
        """The objective in pixel coordinates."""
        return self.pixels.objective

    def descend_with_positive_fluxes(self, z: Array) -> Descent:
        """Minimise, with a lower bound of zero for positive amplitudes and norms.

        Otherwise a source that is far from its true position could get a negative flux, and leave
        the map or cancel another source.

        Parameters
        ----------
        z : array
            Starting values, in pixel coordinates, shape (n,).

        Returns
        -------
        Descent
            The result of the search; the position of a source without flux does not change.
        """
        return self._count_calls(self._descend_across_boundaries(z, self._positive_flux_bounds(z)))

    def fit_moved_source(self, z: Array, changed_indices: Index) -> Array:
        """Fit a source that was moved, and all parameters that are correlated with it.

        Parameters
        ----------
        z : array
            All parameters after the move, in pixel coordinates, shape (n,).
        changed_indices : array of int
            Indices of the parameters that were changed, shape (k,).

        Returns
        -------
        array
            All parameters after the fit, shape (n,); positive amplitudes do not become negative.
        """
        free = correlated_with(self._correlations_at(z), changed_indices)
        descent = descend(
            conditional_objective(self.objective, free, z),
            COARSE_TOLERANCE,
            z[free],
            bounds=self._positive_flux_bounds(z)[free],
            max_iterations=MAX_ITERATIONS,
            min_gain=COARSE_TOLERANCE,
        )
        self.calls += descent.calls
        fitted = z.copy()
        fitted[free] = descent.x
        return fitted

    def _positive_flux_bounds(self, z: Array) -> Array:
        factors, bounds = self.objective.factors, self.objective.limits.copy()
        if factors is not None:
            is_positive = factors & (z > 0)
            bounds[is_positive, 0] = np.maximum(bounds[is_positive, 0], 0)
        return bounds

    def _descend_across_boundaries(self, z: Array, bounds: Array) -> Descent:
        """Minimise, ignoring cell boundaries; stop if steps alternate between two cells."""
        min_gain = COARSE_TOLERANCE if len(self.pixels.piecewise_indices) else 0.0
        return descend(self.objective, self.tolerance, z, bounds=bounds, min_gain=min_gain)

    def descend(self, z: Array) -> Descent:
        """Minimise within a cell, and cross its boundaries while the statistic falls beyond them.

        Parameters
        ----------
        z : array
            Starting values, in pixel coordinates, shape (n,).

        Returns
        -------
        Descent
            The result. `at_bound` includes positions on a cell boundary at which the statistic
            rises on both sides: non-differentiable minima.
        """
        piecewise_indices = self.pixels.piecewise_indices
        descent = self._descend_across_boundaries(z, self.objective.limits)
        if not len(piecewise_indices):
            return self._count_calls(descent)
        cells, bounds = np.floor(descent.x[piecewise_indices]), self.objective.limits.copy()
        for _ in range(MAX_CROSSINGS):
            self._count_calls(descent)
            bounds[piecewise_indices] = cell_bounds(cells)
            descent = descend(
                self.objective,
                self.tolerance,
                descent.x,
                bounds=bounds,
                piecewise_indices=piecewise_indices,
            )
            crossings = self._find_crossings(descent, cells)
            if not crossings.any():
                break
            cells = cells + crossings
        return self._count_calls(descent)

    def _count_calls(self, descent: Descent) -> Descent:
        self.calls += descent.calls
        return descent

    def _find_crossings(self, descent: Descent, cells: Array) -> Array:
        """Return the number of cells to move along each pixel coordinate.

        Parameters
        ----------
        descent : Descent
            The result of a search within cells.
        cells : array
            Lower corners of the cells, shape (m,).

        Returns
        -------
        array
            -1, 0 or 1, shape (m,).
        """
        piecewise_indices = self.pixels.piecewise_indices
        offsets = descent.x[piecewise_indices] - cells
        side = np.where(offsets < 0.5, -1, 1)
        at_boundary = descent.at_bound[piecewise_indices] & (
            np.minimum(offsets, 1 - offsets) < 2 * EDGE_MARGIN
        )
        if not at_boundary.any():
            return np.zeros(len(piecewise_indices))
        point_beyond = descent.x.copy()
        point_beyond[piecewise_indices] += np.where(at_boundary, 2 * EDGE_MARGIN * side, 0)
        gradient = self.objective.gradient(point_beyond)
        assert gradient is not None
        self.calls += 1
        return np.where(at_boundary & (gradient[piecewise_indices] * side < 0), side, 0)

    def find_lower_cell(self, z: Array) -> Array | None:
        """Find a lower minimum with sources in neighbouring cells.

        Parameters
        ----------
        z : array
            A minimum within its cells, in pixel coordinates, shape (n,).

        Returns
        -------
        array or None
            All parameters, with the sources in the best neighbouring cells, shape (n,); None if no
            cell is lower.
        """
        best, stat = z, self.objective.total(z)
        self.correlations = None
        for grid in self.pixels.grids:
            previous, previous_stat = best, stat
            best, stat = self._fit_neighbours(grid, best, stat)
            if best is not previous:
                self._update_rejected(grid, z, previous_stat - stat)
        return None if best is z else best

    def _fit_neighbours(self, grid: PixelGrid, z: Array, stat: float) -> tuple[Array, float]:
        """Fit one source in each of the surrounding cells.

        Parameters
        ----------
        grid : PixelGrid
            The pixel grid of the source.
        z : array
            A minimum, in pixel coordinates, shape (n,).
        stat : float
            The statistic at this minimum.

        Returns
        -------
        z : array
            The lowest minimum, shape (n,); the same object if no cell is lower.
        stat : float
            The statistic at the lowest minimum.
        """
        best, lowest = z, stat - self.min_gain
        cell = np.floor(z[grid.indices])
        self.rejected[_key(grid, cell)] = stat
        for start, bounds in starts_around(grid, z, self.objective.limits):
            key = _key(grid, np.floor(start[grid.indices]))
            if grid.piecewise and self.rejected.get(key, np.inf) < stat + STALE_DECREASE:
                continue
            trial, trial_stat = self._fit(
                grid, start, bounds, grid.related, lowest + CLOSE_DIFFERENCE
            )
            if trial_stat > lowest + CLOSE_DIFFERENCE or ended_at_near_side(
                grid, trial, bounds, cell
            ):
                self.rejected[key] = stat
                continue
            if lowest - COARSE_TOLERANCE <= trial_stat:
                correlated = self._correlated_parameters(grid, z)
                trial, trial_stat = self._fit(grid, trial, bounds, correlated, lowest)
            if trial_stat < lowest:
                best, lowest = trial, trial_stat
        return (z, stat) if best is z else (best, lowest)

    def _update_rejected(self, grid: PixelGrid, z: Array, gain: float) -> None:
        """Forget the rejected cells of the sources that are correlated with a moved source.

        The cells of all other sources stay rejected. For sources other than the moved one, the
        stored statistic is decreased by the gain.

        Parameters
        ----------
        grid : PixelGrid
            The pixel grid of the moved source.
        z : array
            All parameters before the move, in pixel coordinates, shape (n,).
        gain : float
            The decrease of the statistic due to the move.
        """
        correlated = set(self._correlated_parameters(grid, z).tolist())
        correlated_sources = {
            tuple(other_grid.indices.tolist())
            for other_grid in self.pixels.grids
            if other_grid is not grid and not correlated.isdisjoint(other_grid.related.tolist())
        }
        own_indices = tuple(grid.indices.tolist())
        rejected: dict[tuple[float, ...], float] = {}
        for key, stat in self.rejected.items():
            indices = key[: len(key) // 2]
            if indices not in correlated_sources:
                rejected[key] = stat if indices == own_indices else stat - gain
        self.rejected = rejected

    def _correlated_parameters(self, grid: PixelGrid, z: Array) -> Index:
        """Return the indices of the parameters of a source and of correlated parameters."""
        if self.correlations is None:
            self.correlations = self._correlations_at(z)
        return correlated_with(self.correlations, grid.related)

    def _correlations_at(self, z: Array) -> Array:
        fisher = self.objective.fisher(z)
        assert fisher is not None
        self.calls += 1
        return fisher_correlations(fisher)

    def _fit(
        self, grid: PixelGrid, start: Array, bounds: Array, free: Index, threshold: float
    ) -> tuple[Array, float]:
        """Fit the free parameters; return all parameters and the statistic, inf if not finite."""
        includes_correlated = len(free) > len(grid.related)
        free_objective = conditional_objective(self.objective, free, start)
        piecewise_indices = np.flatnonzero(np.isin(free, grid.indices)) if grid.piecewise else None
        descent = descend(
            free_objective,
            self.tolerance if includes_correlated else COARSE_TOLERANCE,
            start[free],
            bounds=bounds[free],
            piecewise_indices=piecewise_indices,
            max_iterations=MAX_ITERATIONS,
            threshold=threshold,
        )
        self.calls += descent.calls
        trial = start.copy()
        trial[free] = descent.x
        trial_stat = free_objective.total(descent.x)
        return trial, trial_stat if np.isfinite(trial_stat) else np.inf


def _key(grid: PixelGrid, cell: Array) -> tuple[float, ...]:
    return (*grid.indices.tolist(), *cell.tolist())
