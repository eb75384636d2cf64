"""Objectives as functions of pixel coordinates instead of sky positions.

The counts of a point source are distributed over the four pixels around it, so the likelihood is
smooth only within the cells between pixel centres. In pixel coordinates these cells are boxes, with
boundaries where a coordinate is an integer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.interfaces.objective import Conditional

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, PixelGrid

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

STEP = 1e-3  # of a pixel, for derivatives of the sky position; projections are nearly linear
MAX_POSITIONS = 20  # cached for each source: while one is fitted, the others do not move
LIMIT_DISTANCE = 1.0  # pixels: sources closer to a limit of their position are not transformed


class PixelCoordinates:
    """The transformation of an objective to pixel coordinates.

    Parameters
    ----------
    objective : Objective
        The objective as a function of the model parameters.
    start : array
        The starting values of a search, shape (n,). Sources that start closer than a pixel to a
        limit of their position keep their sky coordinates, in which limits are exact.

    Attributes
    ----------
    sky_objective : Objective
        The objective as a function of the model parameters.
    objective : Objective
        The objective as a function of the parameters with positions in pixels.
    grids : list of PixelGrid
        The pixel grids of the transformed sources.
    piecewise_indices : array of int
        Indices of the pixel coordinates along which the statistic is not differentiable where the
        coordinate is an integer.
    """

    def __init__(self, objective: Objective, start: Array) -> None:
        self.sky_objective, self.start = objective, np.array(start, dtype=float)
        self.cached_positions: dict[tuple[float, ...], Array] = {}
        self.cached_jacobians: dict[tuple[int, ...], Array] = {}
        self.grids = [
            grid for grid in objective.grids if grid.small and self._is_far_from_limits(grid)
        ]
        self.piecewise_indices: Index = _concatenate(
            [grid.indices for grid in self.grids if grid.piecewise]
        )
        self.objective = self._transform() if self.grids else objective

    def _is_far_from_limits(self, grid: PixelGrid) -> bool:
        limits = self.sky_objective.limits[grid.indices]
        if not np.isfinite(limits).any():
            return True
        distances = np.where(np.isfinite(limits), limits - self.start[grid.indices, None], np.inf)
        pixel_size = np.abs(_sky_jacobian(grid, self.start)).max(axis=1)
        return bool(np.all(np.abs(distances) > LIMIT_DISTANCE * pixel_size[:, None]))

    def to_pixels(self, x: Array) -> Array:
        """Return the parameters with positions in pixels.

        Parameters
        ----------
        x : array
            The parameters, shape (n,).

        Returns
        -------
        array
            The parameters with positions in pixels, shape (n,).
        """
        z = np.array(x, dtype=float)
        for grid in self.grids:
            z[grid.indices] = grid.to_pixels(x)
        return z

    def update(self, z: Array, previous_x: Array, x: Array) -> Array:
        """Update a vector in pixel coordinates after a change of some parameters.

        Parameters
        ----------
        z, previous_x : array
            The vector before the change, in pixel coordinates and as model parameters, shape (n,).
        x : array
            The model parameters after the change, shape (n,).

        Returns
        -------
        array
            The vector after the change, shape (n,). Only elements with changed parameters differ
            from `z`: a transformation of the others would add rounding errors, and may be undefined
            far outside a map.
        """
        changed = x != previous_x
        new_z = z.copy()
        new_z[changed] = self.to_pixels(x)[changed]
        return new_z

    def to_sky(self, z: Array) -> Array:
        """Return the model parameters.

        Parameters
        ----------
        z : array
            The parameters with positions in pixels, shape (n,).

        Returns
        -------
        array
            The parameters, shape (n,).
        """
        return self._to_sky(self.grids, z, np.array(z, dtype=float))

    def _to_sky(self, grids: Sequence[PixelGrid], z: Array, x: Array) -> Array:
        """Set the sky positions of some sources in a vector of parameters."""
        for grid in grids:
            key = (*grid.indices.tolist(), *z[grid.indices].tolist())
            if key not in self.cached_positions:
                if len(self.cached_positions) > MAX_POSITIONS * len(self.grids):
                    self.cached_positions.clear()
                x[grid.indices] = self.start[grid.indices]
                self.cached_positions[key] = grid.to_sky(z[grid.indices], x)
            x[grid.indices] = self.cached_positions[key]
        return x

    def _position_jacobian(self, grid: PixelGrid, x: Array, z: Array) -> Array:
        """Return the derivatives of a sky position with respect to pixels; cached by cell."""
        key = (*grid.indices.tolist(), *np.floor(z[grid.indices]).astype(int).tolist())
        if key not in self.cached_jacobians:
            self.cached_jacobians[key] = _sky_jacobian(grid, x)
        return self.cached_jacobians[key]

    def jacobian(self, x: Array, z: Array) -> Array:
        """Return the derivatives of the model parameters with respect to pixel coordinates.

        Parameters
        ----------
        x, z : array
            The model parameters, and the same point with positions in pixels, shape (n,).

        Returns
        -------
        array
            The derivatives, shape (n, n).
        """
        return self._jacobian(self.grids, x, z)

    def _jacobian(self, grids: Sequence[PixelGrid], x: Array, z: Array) -> Array:
        matrix = np.eye(len(x))
        for grid in grids:
            matrix[grid.indices[:, None], grid.indices] = self._position_jacobian(grid, x, z)
        return matrix

    def errors_to_pixels(self, x: Array, errors: Array) -> Array:
        """Convert errors to pixel coordinates.

        Parameters
        ----------
        x, errors : array
            The parameters and their errors, shape (n,).

        Returns
        -------
        array
            The errors with positions in pixels, shape (n,).
        """
        inverse = np.linalg.inv(self.jacobian(x, self.to_pixels(x)))
        return np.asarray(np.sqrt((inverse**2) @ errors**2))

    def _transform(self) -> Objective:
        sky_objective, indices = (
            self.sky_objective,
            _concatenate([grid.indices for grid in self.grids]),
        )
        start = self.to_pixels(self.start)
        limits = sky_objective.limits.copy()
        limits[indices] = [-np.inf, np.inf]
        steps = (
            np.abs(sky_objective.start)
            if sky_objective.steps is None
            else np.array(sky_objective.steps)
        )
        for grid in self.grids:
            pixel_size = np.abs(_sky_jacobian(grid, self.start)).max(axis=1)
            steps[grid.indices] = np.clip(steps[grid.indices] / pixel_size, 0.1, 1.0)
        prior, refresh = sky_objective.prior, sky_objective.refresh
        return attrs.evolve(
            sky_objective,
            start=start,
            limits=limits,
            steps=steps,
            stat=self._stat,
            prior=None if prior is None else lambda z: sky_objective.prior_stat(self.to_sky(z)),
            gradient_of=self._gradient if sky_objective.gradient_of else None,
            fisher_of=self._fisher if sky_objective.fisher_of else None,
            condition=None if sky_objective.condition is None else self._with_fixed_parameters,
            gradient_by=None,
            refresh=None if refresh is None else lambda z: refresh(self.to_sky(z)),
            sharp=None,
            on_accept=None,
        )

    def _stat(self, z: Array) -> float:
        return self._limited_stat(self.sky_objective.stat, self.to_sky(z))

    def _limited_stat(self, stat: Callable[[Array], float], x: Array) -> float:
        """Return the statistic, or infinity outside the limits."""
        low, high = self.sky_objective.limits.T
        if not np.all(np.isfinite(x)) or np.any((x < low) | (x > high)):
            return np.inf
        return float(stat(x))

    def _gradient(self, z: Array) -> Array:
        x = self.to_sky(z)
        gradient = self.sky_objective.gradient(x)
        assert gradient is not None
        return self.jacobian(x, z).T @ gradient

    def _fisher(self, z: Array) -> Array:
        x = self.to_sky(z)
        fisher, jacobian = self.sky_objective.fisher(x), self.jacobian(x, z)
        assert fisher is not None
        return jacobian.T @ fisher @ jacobian

    def _with_fixed_parameters(self, indices: Index, values: Array) -> Conditional:
        """Return the statistic as a function of some parameters, with the others fixed."""
        assert self.sky_objective.condition is not None
        fixed, free = self.to_sky(values), set(indices.tolist())
        statistic = self.sky_objective.condition(indices, fixed)
        grids = [grid for grid in self.grids if not free.isdisjoint(grid.indices.tolist())]

        def to_sky(z: Array) -> Array:
            x = fixed.copy()
            x[indices] = z[indices]
            return self._to_sky(grids, z, x)

        def jacobian(x: Array, z: Array) -> Array:
            return self._jacobian(grids, x, z)[np.ix_(indices, indices)]

        def stat(z: Array) -> float:
            return self._limited_stat(statistic.stat, to_sky(z))

        def gradient_of(z: Array) -> Array:
            x = to_sky(z)
            return jacobian(x, z).T @ statistic.gradient_of(x)

        def fisher_of(z: Array) -> Array:
            x = to_sky(z)
            matrix = jacobian(x, z)
            return matrix.T @ statistic.fisher_of(x) @ matrix

        return Conditional(stat, gradient_of, fisher_of)


def _sky_jacobian(grid: PixelGrid, x: Array) -> Array:
    """Return the derivatives of the sky position (rows) with respect to pixels (columns)."""
    position = grid.to_pixels(x)
    steps = STEP * np.eye(len(position))
    differences = [
        grid.to_sky(position + step, x) - grid.to_sky(position - step, x) for step in steps
    ]
    return np.array(differences).T / (2 * STEP)


def _concatenate(indices: Sequence[Index]) -> Index:
    return np.concatenate(indices) if indices else np.zeros(0, dtype=int)
