"""Pixel grids of sources; for point sources, the likelihood is smooth only between grid lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.interfaces.objective import PixelGrid
from skyred.likelihood.extended_shape import ExtendedShape
from skyred.likelihood.pixel_positions import PixelPosition
from skyred.likelihood.point_shape import PointShape
from skyred.likelihood.source import SourceContribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.likelihood import CompiledLikelihood

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

MAX_SMALL_SIZE = 1.5  # pixels: smaller extended sources are as sensitive to the grid as points
SIZE_PARAMETERS = ("sigma", "r_0", "radius")  # of gammapy's spatial models
N_SECANT_STEPS = 4  # along one axis; a few are enough, because projections are nearly linear
STEP = 1e-3  # of a pixel, for the derivative


def pixel_grids(likelihood: CompiledLikelihood) -> list[PixelGrid]:
    """Return a pixel grid for each source with a free position.

    A source in several datasets has the grid of the first dataset to which it contributes. Datasets
    with a different pixel grid add non-differentiable points that are not on this one. Models
    without a position or with an energy-dependent image, and sources in region datasets, have no
    grid.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The compiled likelihood.

    Returns
    -------
    list of PixelGrid
        One grid per free position; sources with linked positions share one.
    """
    grids: dict[tuple[int, ...], PixelGrid] = {}
    for source in _sources(likelihood):
        grid = _create_grid(source, likelihood)
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


def _sources(likelihood: CompiledLikelihood) -> Iterator[SourceContribution]:
    for contribution in likelihood.contributions:
        if (
            isinstance(contribution, SourceContribution)
            and contribution.contributes
            and contribution.subset.free
        ):
            yield contribution


def _create_grid(source: SourceContribution, likelihood: CompiledLikelihood) -> PixelGrid | None:
    shape = source.shape
    if not isinstance(shape, PointShape | ExtendedShape):
        return None
    index_in_free = {index: i for i, index in enumerate(likelihood.space.free.tolist())}
    indices = source.subset.state_indices.tolist()
    names = [parameter.name for parameter in source.subset.parameters]
    piecewise = isinstance(shape, PointShape)
    size_indices = [index for index, name in enumerate(names) if name in SIZE_PARAMETERS]
    small = piecewise or _is_small(source, size_indices, likelihood)
    # pixels of the whole map, since cutouts move with the source
    position = PixelPosition(source.model.spatial_model, source.dataset_irfs.geom.to_image())
    axes = (position.lon_index, position.lat_index)
    free = [axis for axis in axes if axis in source.subset.free]
    free_indices = np.array([index_in_free[indices[axis]] for axis in free], dtype=int)
    size = next((index_in_free.get(indices[index]) for index in size_indices), None)
    values = source.subset.values(likelihood.initial_state)
    mapping = GridMapping(position, values, free, free_indices)
    related = [
        index_in_free[index] for index in source.state_indices.tolist() if index in index_in_free
    ]
    return PixelGrid(
        name=source.name,
        indices=free_indices,
        related=np.array(related, dtype=int),
        to_pixels=mapping.to_pixels,
        to_sky=mapping.to_sky,
        piecewise=piecewise,
        small=small,
        size=size,
    )


def _is_small(
    source: SourceContribution, size_indices: Sequence[int], likelihood: CompiledLikelihood
) -> bool:
    values = source.subset.values(likelihood.initial_state)
    pixel_size = float(np.min(source.shape.model_image.pixel_scales))  # type: ignore[attr-defined]
    sizes = [
        abs(values[index]) * source.subset.parameters[index].unit.to("deg")
        for index in size_indices
    ]
    return bool(sizes) and max(sizes) < MAX_SMALL_SIZE * pixel_size


@attrs.define(eq=False)
class GridMapping:
    """Mapping of the free position parameters of a source to pixel coordinates, and back.

    Parameters
    ----------
    position : PixelPosition
        The mapping from the spatial parameters to pixel coordinates.
    values : array
        Values of all spatial parameters, shape (k,); those of the free ones are starting values.
    free : list of int
        Indices, among the spatial parameters, of the free longitude and latitude: one or two.
    indices : array of int
        Indices of the same parameters in the vector of free parameters.

    Attributes
    ----------
    axis : int
        If one coordinate is free, the pixel axis along which the source moves most: 0 for x, 1 for
        y.
    """

    position: PixelPosition
    values: Array
    free: list[int]
    indices: Index
    axis: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        if len(self.free) == 1:
            self.axis = int(np.argmax(np.abs(self.position.slope(self.values, self.free[0]))))

    def to_pixels(self, x: Array) -> Array:
        """Return the pixel coordinates.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        array
            Pixel coordinates, shape (2,); if one coordinate is free, that along `axis`, shape (1,).
        """
        return self._pixel_coordinates(x[self.indices])

    def _pixel_coordinates(self, free_values: Array) -> Array:
        values = self.values.copy()
        values[self.free] = free_values
        coordinates = np.array(self.position(values))
        return coordinates if len(self.free) == 2 else coordinates[[self.axis]]

    def to_sky(self, coordinates: Array, x: Array) -> Array:
        """Return the position parameters at pixel coordinates.

        Parameters
        ----------
        coordinates : array
            Pixel coordinates, as from `to_pixels`, shape (1,) or (2,).
        x : array
            The free parameters, shape (n,). Of equivalent longitudes, the one nearest to the
            longitude in `x` is returned.

        Returns
        -------
        array
            Values of the free position parameters in their own units, shape (1,) or (2,).
        """
        start = x[self.indices]
        if len(self.free) == 2:
            return self._invert_both_axes(coordinates, start)
        value = start.astype(float)
        step = STEP / self.position.slope(self.values, self.free[0])[self.axis]
        for _ in range(N_SECANT_STEPS):
            current = self._pixel_coordinates(value)
            value = value + (coordinates - current) * step / (
                self._pixel_coordinates(value + step) - current
            )
        return value

    def _invert_both_axes(self, coordinates: Array, start: Array) -> Array:
        lon, lat = self.position.inverse(float(coordinates[0]), float(coordinates[1]))
        lon_unit, lat_unit = self.position.unit_scales
        value_by_index = {
            self.position.lon_index: lon / lon_unit,
            self.position.lat_index: lat / lat_unit,
        }
        values = np.array([value_by_index[index] for index in self.free])
        lon_axis = self.free.index(self.position.lon_index)
        period = 2 * np.pi / lon_unit
        turns = np.round((start[lon_axis] - values[lon_axis]) / period)
        values[lon_axis] += period * turns
        return values
