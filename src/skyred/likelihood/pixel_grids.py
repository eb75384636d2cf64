"""The pixel grids under sources: where the likelihood of small sources is not differentiable."""

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

    from skyred.likelihood.likelihood import Total

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

SMALL = 1.5  # pixels: the size below which an extended source feels the grid as a point does
SIZES = ("sigma", "r_0", "radius")  # the parameters that are sizes, by gammapy's names
ITERATIONS = 4  # of the inverse along one axis, which is linear but for the projection
STEP = 1e-3  # of a pixel


def pixel_grids(total: Total) -> list[PixelGrid]:
    """Return a pixel grid for each source with a free position.

    A source in several datasets has the grid of the first that it reaches; datasets with other
    pixels add non-differentiable points that are not on this grid.

    Parameters
    ----------
    total : Total
        The compiled likelihood.

    Returns
    -------
    list of PixelGrid
        One for each free position, linked ones once.
    """
    grids: dict[tuple[int, ...], PixelGrid] = {}
    for source in _sources(total):
        grid = _grid(source, total)
        if grid is None:
            continue
        key = tuple(grid.places.tolist())
        known = grids.get(key)
        if known is not None:
            related = np.union1d(known.related, grid.related)
            grids[key] = attrs.evolve(known, related=related)
        elif key:
            grids[key] = grid
    return list(grids.values())


def _sources(total: Total) -> Iterator[SourceContribution]:
    for dataset in total.datasets:
        for part in getattr(dataset, "parts", ()):
            if isinstance(part, SourceContribution) and part.contributes and part.share.free:
                yield part


def _grid(source: SourceContribution, total: Total) -> PixelGrid | None:
    shape = source.shape
    if not isinstance(shape, PointShape | ExtendedShape):
        return None
    vector = {place: index for index, place in enumerate(total.space.free.tolist())}
    names = [parameter.name for parameter in source.share.parameters]
    piecewise = isinstance(shape, PointShape)
    sizes = [index for index, name in enumerate(names) if name in SIZES]
    small = piecewise or _is_small(source, sizes, total)
    # of the whole map: cutouts move with the source
    pixels = PixelPosition(source.model.spatial_model, source.instrument.geom.to_image())
    free = [axis for axis in (pixels.lon, pixels.lat) if axis in source.share.free]
    places = np.array([vector[int(source.share.places[axis])] for axis in free], dtype=int)
    size = next((vector.get(int(source.share.places[index])) for index in sizes), None)
    mapping = GridMapping(pixels, source.share.values(total.frozen), free, places)
    return PixelGrid(
        name=source.name,
        places=places,
        related=np.array([vector[p] for p in source.own.tolist() if p in vector], dtype=int),
        to_pixels=mapping.to_pixels,
        to_sky=mapping.to_sky,
        piecewise=piecewise,
        small=small,
        size=size,
    )


def _is_small(source: SourceContribution, sizes: Sequence[int], total: Total) -> bool:
    values = source.share.values(total.frozen)
    pixel = float(np.min(source.shape.model_image.pixel))  # type: ignore[attr-defined]
    units = [source.share.parameters[index].unit.to("deg") for index in sizes]
    extent = [abs(values[index]) * unit for index, unit in zip(sizes, units, strict=True)]
    return bool(extent) and max(extent) < SMALL * pixel


@attrs.define(eq=False)
class GridMapping:
    """From the free position parameters of a source to pixel coordinates, and back.

    Parameters
    ----------
    pixels : PixelPosition
        The mapping of both position parameters.
    values : array
        The values of all spatial parameters, for those that are not free, shape (k,).
    free : list of int
        Which of them are the free position parameters: one or two.
    places : array of int
        Where these are in the vector of all free parameters.
    """

    pixels: PixelPosition
    values: Array
    free: list[int]
    places: Index
    axis: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        if len(self.free) == 1:  # the axis along which the source moves most
            self.axis = int(np.argmax(np.abs(self.pixels.slope(self.values, self.free[0]))))

    def to_pixels(self, x: Array) -> Array:
        """Return the pixel coordinates for a vector of all free parameters."""
        return self._along(x[self.places])

    def _along(self, position: Array) -> Array:
        values = self.values.copy()
        values[self.free] = position
        both = np.array(self.pixels(values))
        return both if len(self.free) == 2 else both[[self.axis]]

    def to_sky(self, pixel: Array, x: Array) -> Array:
        """Return the position parameters at pixel coordinates, the longitude nearest to x's."""
        near = x[self.places]
        if len(self.free) == 2:
            return self._both(pixel, near)
        position = near.astype(float)
        step = STEP / self.pixels.slope(self.values, self.free[0])[self.axis]
        for _ in range(ITERATIONS):
            here = self._along(position)
            position = position + (pixel - here) * step / (self._along(position + step) - here)
        return position

    def _both(self, pixel: Array, near: Array) -> Array:
        lon, lat = self.pixels.inverse(float(pixel[0]), float(pixel[1]))
        units = dict(zip((self.pixels.lon, self.pixels.lat), self.pixels.units, strict=True))
        order = {self.pixels.lon: lon, self.pixels.lat: lat}
        position = np.array([order[axis] / units[axis] for axis in self.free])
        index = self.free.index(self.pixels.lon)
        turn = 2 * np.pi / units[self.pixels.lon]
        position[index] += turn * np.round((near[index] - position[index]) / turn)
        return position
