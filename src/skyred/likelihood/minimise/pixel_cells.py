"""The search among pixel cells: a minimum in each cell, and the cells around it.

Along one pixel axis the predicted counts of a point source are a mixture of two templates, so with
all else fixed the statistic is convex inside a cell: it has one minimum there. Between cells there
are ridges, and false minima behind them. The pixelisation repeats from cell to cell, so that the
minima of a row of cells follow the smooth likelihood below: from a false minimum a neighbouring
cell is lower, or else no cell is. So the search goes to the minimum of its cell, then over the
lines into neighbouring cells as long as the statistic falls there, and then fits the source in each
of the cells around; it begins again from the lowest, and ends where none is lower.
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

EDGE = 1e-7  # pixels: how close to a line the search stays on its side
CROSSINGS = 40
ITERATIONS = 12  # of a fit in a neighbouring cell
NEAR_MISS = 2.0  # in the statistic: cells higher by less are fitted with what is correlated
CORRELATED = 0.03  # of the Fisher matrix, from which parameters are fitted together with a source
STALE = 0.5  # in the statistic: cells that were too high before it fell by more may be so no more
COARSE = 1e-2  # in the statistic, at which fits in neighbouring cells end
SHIFTS = (0.0, -1.0, 1.0)  # pixels, of extended sources
FACTORS = (1.0, 0.5, 2.0)  # of their size


@attrs.define(eq=False)
class CellSearch:
    """Searches the cells of an objective in pixel coordinates.

    Parameters
    ----------
    pixels : PixelCoordinates
        The change of coordinates.
    tolerance : float
        The expected gain at which Newton steps end.
    gain : float
        How much lower another minimum must be.
    calls : int
        Calls of the objective and its derivatives.
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

    def descend_with_fluxes(self, z: Array) -> Descent:
        """Go down with all amplitudes positive that are so now.

        A source that is far from where it starts would else take a negative flux, and with it leave
        the map, or cancel another one.

        Parameters
        ----------
        z : array
            Where to begin, in pixel coordinates, shape (n,).

        Returns
        -------
        Descent
            Where it ended; sources without flux are where they began.
        """
        return self._counted(self._across_lines(z, self._box_of_fluxes(z)))

    def place(self, z: Array, moved: Index) -> Array:
        """Fit a source that was moved, and what is correlated with it there; all else stays.

        Parameters
        ----------
        z : array
            With the move, in pixel coordinates, shape (n,).
        moved : array of int
            The parameters that were changed, shape (k,).

        Returns
        -------
        array
            Where it ended, shape (n,), with positive fluxes as in `descend_with_fluxes`.
        """
        free = self._linked(moved, self._correlations_at(z))
        some, box = conditional(self.objective, free, z), self._box_of_fluxes(z)[free]
        end = self._counted(
            descend(some, COARSE, z[free], box=box, iterations=ITERATIONS, least_gain=COARSE)
        )
        placed = z.copy()
        placed[free] = end.x
        return placed

    def _box_of_fluxes(self, z: Array) -> Array:
        factors, box = self.objective.factors, self.objective.limits.copy()
        if factors is not None:
            positive = factors & (z > 0)
            box[positive, 0] = np.maximum(box[positive, 0], 0)
        return box

    def _across_lines(self, z: Array, box: Array) -> Descent:
        """Go down across lines; where one is a valley, only until steps gain little."""
        least_gain = COARSE if len(self.pixels.lines) else 0.0
        return descend(self.objective, self.tolerance, z, box=box, least_gain=least_gain)

    def descend(self, z: Array) -> Descent:
        """Go down to a minimum inside a cell, over lines where the statistic falls beyond them.

        Parameters
        ----------
        z : array
            Where to begin, in pixel coordinates, shape (n,).

        Returns
        -------
        Descent
            Its `held` includes the positions on lines from which the statistic rises to both
            sides: minima without derivatives.
        """
        lines = self.pixels.lines
        end = self._across_lines(z, self.objective.limits)
        if not len(lines):
            return self._counted(end)
        cells = np.floor(end.x[lines])
        for _ in range(CROSSINGS):
            self._counted(end)
            end = descend(
                self.objective, self.tolerance, end.x, box=self._box(lines, cells), lines=lines
            )
            beyond = self._beyond(end, cells)
            if not beyond.any():
                break
            cells = cells + beyond
        return self._counted(end)

    def _counted(self, descent: Descent) -> Descent:
        self.calls += descent.calls
        return descent

    def _box(self, lines: Index, cells: Array) -> Array:
        box = self.objective.limits.copy()
        box[lines] = np.array([cells + EDGE, cells + 1 - EDGE]).T
        return box

    def _beyond(self, end: Descent, cells: Array) -> Array:
        """Return by how many cells to go on along each line: -1, 0 or 1, shape (lines,)."""
        lines = self.pixels.lines
        inside = end.x[lines] - cells
        side = np.where(inside < 0.5, -1, 1)
        held = end.held[lines] & (np.minimum(inside, 1 - inside) < 2 * EDGE)
        if not held.any():
            return np.zeros(len(lines))
        other = end.x.copy()
        other[lines] += np.where(held, 2 * EDGE * side, 0)
        gradient = self.objective.gradient(other)
        assert gradient is not None
        self.calls += 1
        return np.where(held & (gradient[lines] * side < 0), side, 0)

    def lower(self, z: Array) -> Array | None:
        """Return where a source fits better in a neighbouring cell; None if none does.

        Parameters
        ----------
        z : array
            A minimum in its cells, shape (n,).

        Returns
        -------
        array or None
            With the sources in their best neighbouring cells, shape (n,).
        """
        best, stat = z, self.objective.total(z)
        self.correlations = None
        for grid in self.pixels.grids:
            before, at = best, stat
            best, stat = self._around(grid, best, stat)
            if best is not before:
                self._forget(grid, z, at - stat)
        return None if best is z else best

    def _around(self, grid: PixelGrid, z: Array, stat: float) -> tuple[Array, float]:
        """Fit one source in each of the cells around it; return the lowest of all."""
        best, lowest = z, stat - self.gain
        cell = np.floor(z[grid.places])
        self.rejected[_key(grid, cell)] = stat
        for start, box in _neighbours(grid, z, self.objective.limits):
            key = _key(grid, np.floor(start[grid.places]))
            if grid.piecewise and self.rejected.get(key, np.inf) < stat + STALE:
                continue
            trial, value = self._fit(grid, start, box, grid.related, lowest + NEAR_MISS)
            if value > lowest + NEAR_MISS or _is_on_side(grid, trial, box, cell):
                self.rejected[key] = stat
                continue
            if lowest - COARSE <= value:
                together = self._correlated(grid, z)
                trial, value = self._fit(grid, trial, box, together, lowest)
            if value < lowest:
                best, lowest = trial, value
        return (z, stat) if best is z else (best, lowest)

    def _forget(self, grid: PixelGrid, z: Array, gain: float) -> None:
        """Forget which cells were too high for the neighbours of a source that has moved.

        For all others they stay too high, by what they were: all fell by the gain of the source.
        """
        linked = set(self._correlated(grid, z).tolist())
        neighbours = {
            tuple(other.places.tolist())
            for other in self.pixels.grids
            if other is not grid and not linked.isdisjoint(other.related.tolist())
        }
        own, kept = tuple(grid.places.tolist()), dict[tuple[float, ...], float]()
        for key, stat in self.rejected.items():
            places = key[: len(key) // 2]
            if places not in neighbours:
                kept[key] = stat if places == own else stat - gain
        self.rejected = kept

    def _correlated(self, grid: PixelGrid, z: Array) -> Index:
        """Return the parameters of a source and those that are correlated with them."""
        if self.correlations is None:
            self.correlations = self._correlations_at(z)
        return self._linked(grid.related, self.correlations)

    def _correlations_at(self, z: Array) -> Array:
        fisher = self.objective.fisher(z)
        assert fisher is not None
        self.calls += 1
        own = np.sqrt(np.where(np.diag(fisher) > 0, np.diag(fisher), np.inf))
        return np.asarray(np.abs(fisher / np.outer(own, own)))

    @staticmethod
    def _linked(places: Index, correlations: Array) -> Index:
        linked = np.array(np.any(correlations[places] > CORRELATED, axis=0), dtype=bool)
        linked[places] = True
        return np.flatnonzero(linked)

    def _fit(
        self, grid: PixelGrid, start: Array, box: Array, free: Index, level: float
    ) -> tuple[Array, float]:
        fine = len(free) > len(grid.related)
        some = conditional(self.objective, free, start)
        lines = np.flatnonzero(np.isin(free, grid.places)) if grid.piecewise else None
        end = descend(
            some,
            self.tolerance if fine else COARSE,
            start[free],
            box=box[free],
            lines=lines,
            iterations=ITERATIONS,
            level=level,
        )
        self.calls += end.calls
        trial = start.copy()
        trial[free] = end.x
        value = some.total(end.x)
        return trial, value if np.isfinite(value) else np.inf


def _key(grid: PixelGrid, cell: Array) -> tuple[float, ...]:
    return (*grid.places.tolist(), *cell.tolist())


def _is_on_side(grid: PixelGrid, trial: Array, box: Array, cell: Array) -> bool:
    """Return whether a fit in a cell ended on its side towards the cell that the source is in.

    That side belongs to the cell beyond it, too, which has a minimum of its own and is compared.
    """
    if not grid.piecewise:
        return False
    low, high = box[grid.places].T
    away = np.floor((low + high) / 2) - cell
    at_side = np.where(away > 0, trial[grid.places] - low, high - trial[grid.places])
    return bool(np.any((away != 0) & (at_side <= 0)))


def _neighbours(grid: PixelGrid, z: Array, limits: Array) -> list[tuple[Array, Array]]:
    """Return where to begin around a source, and the bounds to stay within."""
    if grid.piecewise:
        return _cells_around(grid, z, limits)
    starts = []
    sizes = FACTORS if grid.size is not None else (1.0,)
    for *shift, factor in product(*[SHIFTS] * len(grid.places), sizes):
        if not any(shift) and factor == 1:
            continue
        start = z.copy()
        start[grid.places] += shift
        if grid.size is not None:
            start[grid.size] = np.clip(factor * z[grid.size], *limits[grid.size])
        starts.append((start, limits))
    return starts


def _cells_around(grid: PixelGrid, z: Array, limits: Array) -> list[tuple[Array, Array]]:
    cell, starts = np.floor(z[grid.places]), []
    for shift in product((-1, 0, 1), repeat=len(grid.places)):
        if not any(shift):
            continue
        start, box, there = z.copy(), limits.copy(), cell + shift
        start[grid.places] = there + 0.5
        box[grid.places] = np.array([there + EDGE, there + 1 - EDGE]).T
        starts.append((start, box))
    return starts
