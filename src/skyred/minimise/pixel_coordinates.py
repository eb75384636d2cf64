"""Objectives in pixel coordinates, where the lines without derivatives are integers.

A point source is spread on the four pixels around it, so its likelihood is smooth only inside the
cells between pixel centres. In pixel coordinates those cells are boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.objective import Derivative, Objective, PixelGrid

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

STEP = 1e-3  # of a pixel, for the derivatives of the sky position: projections are nearly linear
POSITIONS_KEPT = 20  # for each source: fits of one leave the others where they are
LIMIT_DISTANCE = 1.0  # pixels: sources closer to a limit of their position stay on the sky


class PixelCoordinates:
    """The change of coordinates of one objective.

    Parameters
    ----------
    objective : Objective
        In the parameters of the models.
    near : array
        Where a search begins, shape (n,). Sources that are closer than a pixel to a limit of their
        position there keep their sky coordinates, in which the limit is exact.
    """

    def __init__(self, objective: Objective, near: Array) -> None:
        self.sky, self.near = objective, np.array(near, dtype=float)
        self.positions: dict[tuple[float, ...], Array] = {}
        self.blocks: dict[tuple[int, ...], Array] = {}
        self.grids = [grid for grid in objective.grids if grid.small and self._is_free(grid)]
        self.lines: Index = _concatenate([grid.places for grid in self.grids if grid.piecewise])
        self.objective = self._transform() if self.grids else objective

    def _is_free(self, grid: PixelGrid) -> bool:
        limits = self.sky.limits[grid.places]
        if not np.isfinite(limits).any():
            return True
        away = np.where(np.isfinite(limits), limits - self.near[grid.places, None], np.inf)
        pixel = np.abs(_slope(grid, self.near)).max(axis=1)
        return bool(np.all(np.abs(away) > LIMIT_DISTANCE * pixel[:, None]))

    def to_pixels(self, x: Array) -> Array:
        """Return a vector with positions in pixels, shape (n,)."""
        z = np.array(x, dtype=float)
        for grid in self.grids:
            z[grid.places] = grid.to_pixels(x)
        return z

    def to_sky(self, z: Array) -> Array:
        """Return the vector of parameters, shape (n,)."""
        x = np.array(z, dtype=float)
        for grid in self.grids:
            key = (*grid.places.tolist(), *z[grid.places].tolist())
            if key not in self.positions:
                if len(self.positions) > POSITIONS_KEPT * len(self.grids):
                    self.positions.clear()
                x[grid.places] = self.near[grid.places]
                self.positions[key] = grid.to_sky(z[grid.places], x)
            x[grid.places] = self.positions[key]
        return x

    def _block(self, grid: PixelGrid, x: Array, z: Array) -> Array:
        """Return the derivatives of the sky position by pixels, once for each cell."""
        key = (*grid.places.tolist(), *np.floor(z[grid.places]).astype(int).tolist())
        if key not in self.blocks:
            self.blocks[key] = _slope(grid, x)
        return self.blocks[key]

    def jacobian(self, x: Array, z: Array) -> Array:
        """Return the derivatives of parameters by pixel coordinates, shape (n, n)."""
        matrix = np.eye(len(x))
        for grid in self.grids:
            matrix[np.ix_(grid.places, grid.places)] = self._block(grid, x, z)
        return matrix

    def errors(self, x: Array, errors: Array) -> Array:
        """Return errors of the parameters, shape (n,), in pixel coordinates."""
        inverse = np.linalg.inv(self.jacobian(x, self.to_pixels(x)))
        return np.asarray(np.sqrt((inverse**2) @ errors**2))

    def _transform(self) -> Objective:
        sky, places = self.sky, _concatenate([grid.places for grid in self.grids])
        start = self.to_pixels(self.near)
        limits = sky.limits.copy()
        limits[places] = [-np.inf, np.inf]
        steps = np.abs(sky.start) if sky.steps is None else np.array(sky.steps)
        for grid in self.grids:
            pixel = np.abs(_slope(grid, self.near)).max(axis=1)
            steps[grid.places] = np.clip(steps[grid.places] / pixel, 0.1, 1.0)
        prior, refresh, restrict = sky.prior, sky.refresh, sky.restrict
        return attrs.evolve(
            sky,
            start=start,
            limits=limits,
            steps=steps,
            stat=self._stat,
            prior=None if prior is None else lambda z: sky.prior_stat(self.to_sky(z)),
            gradient_of=self._gradient if sky.gradient_of else None,
            fisher_of=self._fisher if sky.fisher_of else None,
            restrict=None if restrict is None else self._restrict,
            refresh=None if refresh is None else lambda z: refresh(self.to_sky(z)),
            on_accept=None,
        )

    def _stat(self, z: Array) -> float:
        x = self.to_sky(z)
        low, high = self.sky.limits.T
        if not np.all(np.isfinite(x)) or np.any((x < low) | (x > high)):
            return np.inf
        return float(self.sky.stat(x))

    def _gradient(self, z: Array) -> Array:
        x = self.to_sky(z)
        gradient = self.sky.gradient(x)
        assert gradient is not None
        return self.jacobian(x, z).T @ gradient

    def _fisher(self, z: Array) -> Array:
        x = self.to_sky(z)
        fisher, jacobian = self.sky.fisher(x), self.jacobian(x, z)
        assert fisher is not None
        return jacobian.T @ fisher @ jacobian

    def _restrict(self, places: Index) -> tuple[Derivative, Derivative]:
        assert self.sky.restrict is not None
        gradient, fisher = self.sky.restrict(places)
        cut = np.ix_(places, places)

        def gradient_of(z: Array) -> Array:
            x = self.to_sky(z)
            return self.jacobian(x, z)[cut].T @ gradient(x)

        def fisher_of(z: Array) -> Array:
            x = self.to_sky(z)
            jacobian = self.jacobian(x, z)[cut]
            return jacobian.T @ fisher(x) @ jacobian

        return gradient_of, fisher_of


def _slope(grid: PixelGrid, x: Array) -> Array:
    """Return the derivatives of position parameters (rows) by pixel coordinates (columns)."""
    pixel = grid.to_pixels(x)
    steps = STEP * np.eye(len(pixel))
    rises = [grid.to_sky(pixel + step, x) - grid.to_sky(pixel - step, x) for step in steps]
    return np.array(rises).T / (2 * STEP)


def _concatenate(places: Sequence[Index]) -> Index:
    return np.concatenate(places) if places else np.zeros(0, dtype=int)
