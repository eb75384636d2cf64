"""Positions and images of spatial models on the pixels of a map, by gammapy's own formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.likelihood.spatial_formulas import SkyGrid, formula_of
from skyred.likelihood.units import Plain, scale_of

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.maps import WcsGeom
    from gammapy.modeling.models import SpatialModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PIXEL_STEP = 1e-6  # rad, for the derivative of a position in pixels
GRIDS_KEPT = 8
AGREEMENT = 1e-9  # rounding alone: the same formula on plain numbers


class ModelPosition:
    """The position of a model in its own frame.

    Parameters
    ----------
    model : gammapy.modeling.models.SpatialModel
        With ``lon_0`` and ``lat_0``.
    """

    def __init__(self, model: SpatialModel) -> None:
        names = [parameter.name for parameter in model.parameters]
        self.lon, self.lat = names.index("lon_0"), names.index("lat_0")
        self.units = model.lon_0.unit.to("rad"), model.lat_0.unit.to("rad")

    def radians(self, values: Array) -> tuple[float, float]:
        """Give longitude and latitude for values of the model's parameters."""
        return values[self.lon] * self.units[0], values[self.lat] * self.units[1]


def separation(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Give the angle between two directions, all in rad, by the formula of Vincenty."""
    apart = other_lon - lon
    y = math.hypot(
        math.cos(other_lat) * math.sin(apart),
        math.cos(lat) * math.sin(other_lat) - math.sin(lat) * math.cos(other_lat) * math.cos(apart),
    )
    x = math.sin(lat) * math.sin(other_lat) + math.cos(lat) * math.cos(other_lat) * math.cos(apart)
    return math.atan2(y, x)


def pixel_at(position: SkyCoord, geom: WcsGeom) -> tuple[float, float]:
    """Return x and y in pixels of a geometry without distortion, at one position.

    As `astropy.wcs.utils.skycoord_to_pixel`, but without a change of frames where there is none.
    """
    from astropy.wcs.utils import skycoord_to_pixel

    if position.frame.name == geom.frame and geom.frame in ("icrs", "galactic"):
        angles = position.data
        lon, lat = float(angles.lon.deg) % 360, float(angles.lat.deg)
        ((x, y),) = geom.wcs.wcs_world2pix([(lon, lat)], 0)
    else:
        x, y = skycoord_to_pixel(position, geom.wcs, mode="all")
    return float(x), float(y)


class PixelPosition(ModelPosition):
    """From the position of a model in its own frame and units to pixels of an image.

    Parameters
    ----------
    model : gammapy.modeling.models.SpatialModel
        With ``lon_0`` and ``lat_0``.
    image : gammapy.maps.WcsGeom
        The image.
    """

    def __init__(self, model: SpatialModel, image: WcsGeom) -> None:
        super().__init__(model)
        self.to_pixel, self.to_world = image.wcs.wcs_world2pix, image.wcs.wcs_pix2world
        self.rotation = _rotation(model.frame, image.frame)

    def __call__(self, values: Array) -> tuple[float, float]:
        """Give x and y in pixels for values of the model's parameters."""
        return self._pixel(*self.radians(values))

    def inverse(self, x: float, y: float) -> tuple[float, float]:
        """Return longitude and latitude in rad, in the frame of the model, at pixel coordinates."""
        ((lon, lat),) = np.deg2rad(self.to_world([(x, y)], 0))
        if self.rotation is None:
            return float(lon), float(lat)
        out = math.cos(lat)
        there = (out * math.cos(lon), out * math.sin(lon), math.sin(lat)) @ self.rotation
        return math.atan2(there[1], there[0]), math.asin(there[2])

    def slope(self, values: Array, index: int) -> tuple[float, float]:
        """Give the derivatives of x and y by one of the parameters."""
        if index not in (self.lon, self.lat):
            return 0.0, 0.0
        axis = (self.lon, self.lat).index(index)
        step = np.zeros(len(values))
        step[index] = PIXEL_STEP / self.units[axis]
        (x1, y1), (x2, y2) = self(values - step), self(values + step)
        return (x2 - x1) / (2 * step[index]), (y2 - y1) / (2 * step[index])

    def _pixel(self, lon: float, lat: float) -> tuple[float, float]:
        if self.rotation is not None:
            out = math.cos(lat)
            there = self.rotation @ (out * math.cos(lon), out * math.sin(lon), math.sin(lat))
            lon, lat = math.atan2(there[1], there[0]), math.asin(there[2])
        # the longitudes that SkyCoord gives are between 0 and 360 deg
        ((x, y),) = self.to_pixel([(math.degrees(lon) % 360, math.degrees(lat))], 0)
        return float(x), float(y)


def _rotation(frame: str, other: str) -> Array | None:
    """Give the matrix that rotates one frame into another; None if they are the same."""
    from astropy.coordinates import SkyCoord

    if frame == other:
        return None
    axes = SkyCoord(*np.eye(3), representation_type="cartesian", frame=frame)
    return np.asarray(axes.transform_to(other).cartesian.xyz.value)


class ModelImage:
    """A spatial model integrated over the pixels of an image.

    The rules are those of `SpatialModel.integrate_geom`: pixels are divided where the model is
    finer than they are, within the radius that the model asks for.

    Parameters
    ----------
    model : gammapy.modeling.models.SpatialModel
        A model of one image for all energies, with a radius.
    image : gammapy.maps.WcsGeom
        The image.
    area : array, optional
        Solid angles of its pixels in sr, shape (y, x), if they are known.
    """

    def __init__(self, model: SpatialModel, image: WcsGeom, area: Array | None = None) -> None:
        self.model, self.image = model, image
        self.area = image.solid_angle().to_value("sr") if area is None else area
        self.pixel = image.pixel_scales.to_value("deg")
        self.position = PixelPosition(model, image)
        self.names = [parameter.name for parameter in model.parameters]
        self.scales = [scale_of(parameter.unit) for parameter in model.parameters]
        self.grids: dict[Any, SkyGrid] = {}
        self.extent: tuple[bytes, int, Array] | None = None
        self.way: Callable[[SkyGrid, Array], Array] | None = None

    def __call__(self, values: Array) -> Array:
        """Return the fraction in each pixel for the parameters of the model, shape (y, x).

        Parameters
        ----------
        values : array
            The values of the parameters, which are those that the model has now, shape (k,).
        """
        factor, sides = self._extent(values)
        slices = self._around(values, sides)
        if factor == 1 or slices is None:
            factor, slices = 1, (slice(0, self.area.shape[0]), slice(0, self.area.shape[1]))
        image: Array = np.zeros(self.area.shape)
        image[slices] = self._mean(values, factor, slices)
        return np.asarray(image * self.area)

    def _mean(self, values: Array, factor: int, slices: tuple[slice, slice]) -> Array:
        """Average the model over the pixels, each divided by factor along both axes."""
        fine = self._evaluate(self._grid(factor, slices), values)
        shape = [slices[0].stop - slices[0].start, slices[1].stop - slices[1].start]
        fine = np.broadcast_to(fine, [side * factor for side in shape])
        return fine.reshape(shape[0], factor, shape[1], factor).mean(axis=(1, 3))  # type: ignore[no-any-return]

    def _evaluate(self, grid: SkyGrid, values: Array) -> Array:
        """Evaluate the model in sr-1, in the fastest way that agrees with gammapy's.

        Units take ten times as long as the arithmetic.
        """
        if self.way is not None:
            try:
                return self.way(grid, values)
            except Exception:  # as without extent: what gammapy makes of it
                return self._on_quantities(grid, values)
        expected = self._on_quantities(grid, values)
        self.way = self._on_quantities
        for way in (self._by_formula, self._on_numbers):
            if _agrees(way, grid, values, expected):
                self.way = way
                break
        return expected

    def _plain(self, values: Array) -> dict[str, float]:
        pairs = zip(self.names, values.tolist(), self.scales, strict=True)
        return {name: value * scale for name, value, scale in pairs}

    def _by_formula(self, grid: SkyGrid, values: Array) -> Array:
        formula = formula_of(self.model)
        if formula is None:
            raise NotImplementedError
        with np.errstate(all="ignore"):
            return formula(grid, self._plain(values))

    def _on_numbers(self, grid: SkyGrid, values: Array) -> Array:
        numbers = {name: Plain.of(value) for name, value in self._plain(values).items()}
        found = self.model.evaluate(Plain.of(grid.lon), Plain.of(grid.lat), **numbers)
        return np.asarray(getattr(found, "value", found), dtype=float)

    def _on_quantities(self, grid: SkyGrid, values: Array) -> Array:
        quantities = {each.name: each.quantity for each in self.model.parameters}
        try:
            found = self.model.evaluate(grid.lon * u.rad, grid.lat * u.rad, **quantities)
        except ZeroDivisionError:  # of a model without extent, which has no surface brightness
            return np.full(np.broadcast(grid.lon, grid.lat).shape, np.nan)
        return np.asarray(found.to_value("sr-1"), dtype=float)

    def _extent(self, values: Array) -> tuple[int, Array]:
        """Return the division of pixels and the sides of the model in pixels, (x, y).

        They do not depend on its position.
        """
        others = np.delete(values, [self.position.lon, self.position.lat]).tobytes()
        if self.extent is None or self.extent[0] != others:
            radius = self.model.evaluation_radius.to_value("deg")
            sides = np.round(np.clip(2 * max(radius, np.max(self.pixel)) / self.pixel, 1, None))
            self.extent = others, self._division(), sides
        return self.extent[1:]

    def _division(self) -> int:
        from gammapy.modeling.models.spatial import MAX_OVERSAMPLING

        smallest = self.model.evaluation_bin_size_min
        if smallest is None:
            return 1
        with np.errstate(divide="ignore"):
            factor = np.ceil(np.max(self.pixel) / np.float64(smallest.to_value("deg")))
        return int(min(factor, MAX_OVERSAMPLING)) if factor > 0 else MAX_OVERSAMPLING

    def _around(self, values: Array, sides: Array) -> tuple[slice, slice] | None:
        """Return the pixels around the model's position; None if there are none."""
        from astropy.nddata.utils import NoOverlapError, overlap_slices

        x, y = self.position(values)
        size = (int(sides[1]), int(sides[0]))
        try:
            return overlap_slices(self.area.shape, size, (y, x), mode="trim")[0]  # type: ignore[no-any-return]
        except (NoOverlapError, ValueError):
            return None

    def _grid(self, factor: int, slices: tuple[slice, slice]) -> SkyGrid:
        """Return the directions of the divided pixels in the frame of the model."""
        from gammapy.maps import WcsGeom

        key = factor, slices[0].start, slices[0].stop, slices[1].start, slices[1].stop
        if key not in self.grids:
            if len(self.grids) >= GRIDS_KEPT:
                self.grids.pop(next(iter(self.grids)))
            part = WcsGeom(self.image.wcs[slices], npix=(key[4] - key[3], key[2] - key[1]))
            fine = part.upsample(factor) if factor > 1 else part
            coordinates = fine.get_coord(frame=self.model.frame, sparse=True)
            lon, lat = coordinates.lon.to_value("rad"), coordinates.lat.to_value("rad")
            self.grids[key] = SkyGrid(lon, lat)
        return self.grids[key]


def _agrees(
    way: Callable[[SkyGrid, Array], Array], grid: SkyGrid, values: Array, expected: Array
) -> bool:
    try:
        found = way(grid, values)
    except Exception:  # a model may need its quantities, and fail without them as it likes
        return False
    scale = np.max(np.abs(expected), initial=0)
    return bool(np.allclose(found, expected, rtol=AGREEMENT, atol=AGREEMENT * scale))
