"""Pixel grids under small sources, where the likelihood is not differentiable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.interfaces.objective import PixelGrid
from skyred.likelihood.shapes import ExtendedShape, PointShape
from skyred.likelihood.sky import PixelPosition
from skyred.likelihood.source import SourceContribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.likelihood import CompiledLikelihood

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

MAX_SMALL_SIZE = 1.5  # pixels: smaller extended sources are as sensitive to the grid as points
SIZES = ("sigma", "r_0", "radius")  # gammapy's names of parameters that are sizes
ITERATIONS = 4  # of the inverse along one axis, which is linear except for the projection
STEP = 1e-3  # of a pixel


def pixel_grids(total: CompiledLikelihood) -> list[PixelGrid]:
    """Return a pixel grid for each source with a free position.

    A source in several datasets has the grid of the first that it reaches; datasets with other
    pixels add non-differentiable points that are not on this grid.

    Parameters
    ----------
    total : CompiledLikelihood
        The compiled likelihood.

    Returns
    -------
    list of PixelGrid
        One grid per free position; linked positions have one.
    """
    grids: dict[tuple[int, ...], PixelGrid] = {}
    for source in _sources(total):
        grid = _create_grid(source, total)
        if grid is None:
            continue
        key = tuple(grid.indices.tolist())
        first = grids.get(key)
        if first is not None:
            related = np.union1d(first.related, grid.related)
            grids[key] = attrs.evolve(first, related=related)
        elif key:
            grids[key] = grid
    return list(grids.values())


def _sources(total: CompiledLikelihood) -> Iterator[SourceContribution]:
    for dataset in total.datasets:
        for contribution in getattr(dataset, "contributions", ()):
            if (
                isinstance(contribution, SourceContribution)
                and contribution.contributes
                and contribution.subset.free
            ):
                yield contribution


def _create_grid(source: SourceContribution, total: CompiledLikelihood) -> PixelGrid | None:
    shape = source.shape
    if not isinstance(shape, PointShape | ExtendedShape):
        return None
    positions = {index: position for position, index in enumerate(total.space.free.tolist())}
    indices = source.subset.state_indices.tolist()
    names = [parameter.name for parameter in source.subset.parameters]
    piecewise = isinstance(shape, PointShape)
    sizes = [index for index, name in enumerate(names) if name in SIZES]
    small = piecewise or _is_small(source, sizes, total)
    # of the whole map: cutouts move with the source
    pixels = PixelPosition(source.model.spatial_model, source.instrument.geom.to_image())
    free = [axis for axis in (pixels.lon, pixels.lat) if axis in source.subset.free]
    free_positions = np.array([positions[indices[axis]] for axis in free], dtype=int)
    size = next((positions.get(indices[axis]) for axis in sizes), None)
    mapping = GridMapping(pixels, source.subset.values(total.initial_state), free, free_positions)
    return PixelGrid(
        name=source.name,
        indices=free_positions,
        related=np.array(
            [positions[i] for i in source.state_indices.tolist() if i in positions], dtype=int
        ),
        to_pixels=mapping.to_pixels,
        to_sky=mapping.to_sky,
        piecewise=piecewise,
        small=small,
        size=size,
    )


def _is_small(source: SourceContribution, sizes: Sequence[int], total: CompiledLikelihood) -> bool:
    values = source.subset.values(total.initial_state)
    pixel = float(np.min(source.shape.model_image.pixel))  # type: ignore[attr-defined]
    units = [source.subset.parameters[index].unit.to("deg") for index in sizes]
    extent = [abs(values[index]) * unit for index, unit in zip(sizes, units, strict=True)]
    return bool(extent) and max(extent) < MAX_SMALL_SIZE * pixel


@attrs.define(eq=False)
class GridMapping:
    """Mapping of the free position parameters of a source to pixel coordinates, and back.

    Parameters
    ----------
    pixels : PixelPosition
        The mapping of both position parameters.
    values : array
        The values of all spatial parameters, for those that are not free, shape (k,).
    free : list of int
        Positions of the free position parameters among them: one or two.
    indices : array of int
        Their positions in the vector of all free parameters.
    """

    pixels: PixelPosition
    values: Array
    free: list[int]
    indices: Index
    axis: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        if len(self.free) == 1:  # the axis along which the source moves most
            self.axis = int(np.argmax(np.abs(self.pixels.slope(self.values, self.free[0]))))

    def to_pixels(self, x: Array) -> Array:
        """Return the pixel coordinates.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        array
            Pixel coordinates of the free axes, shape (1,) or (2,).
        """
        return self._pixel_coordinates(x[self.indices])

    def _pixel_coordinates(self, position: Array) -> Array:
        values = self.values.copy()
        values[self.free] = position
        both = np.array(self.pixels(values))
        return both if len(self.free) == 2 else both[[self.axis]]

    def to_sky(self, pixel: Array, x: Array) -> Array:
        """Return the position parameters at pixel coordinates.

        Parameters
        ----------
        pixel : array
            Pixel coordinates of the free axes, shape (1,) or (2,).
        x : array
            The free parameters, shape (n,); the longitude is the one nearest to theirs.

        Returns
        -------
        array
            The position parameters in their own units, shape (1,) or (2,).
        """
        start = x[self.indices]
        if len(self.free) == 2:
            return self._invert_both_axes(pixel, start)
        position = start.astype(float)
        step = STEP / self.pixels.slope(self.values, self.free[0])[self.axis]
        for _ in range(ITERATIONS):
            reached = self._pixel_coordinates(position)
            position = position + (pixel - reached) * step / (
                self._pixel_coordinates(position + step) - reached
            )
        return position

    def _invert_both_axes(self, pixel: Array, start: Array) -> Array:
        lon, lat = self.pixels.inverse(float(pixel[0]), float(pixel[1]))
        units = dict(zip((self.pixels.lon, self.pixels.lat), self.pixels.units, strict=True))
        order = {self.pixels.lon: lon, self.pixels.lat: lat}
        position = np.array([order[axis] / units[axis] for axis in self.free])
        index = self.free.index(self.pixels.lon)
        period = 2 * np.pi / units[self.pixels.lon]
        position[index] += period * np.round((start[index] - position[index]) / period)
        return position
