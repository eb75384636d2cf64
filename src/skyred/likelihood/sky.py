"""Positions and images of spatial models on the pixels of a map, with gammapy's formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.likelihood.frames import rotation_between
from skyred.likelihood.spatial_formulas import SkyGrid, find_formula
from skyred.likelihood.units import PlainArray, scale_of

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.maps import WcsGeom
    from gammapy.modeling.models import SpatialModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PIXEL_STEP = 1e-6  # rad, for the derivative of a position in pixels
MAX_CACHED_GRIDS = 8
TOLERANCE = 1e-9  # relative: methods agree if they differ only by rounding errors


class ModelPosition:
    """Position of a model in its own frame.

    Parameters
    ----------
    model : gammapy.modeling.models.SpatialModel
        The model, with ``lon_0`` and ``lat_0``.

    Attributes
    ----------
    lon_index, lat_index : int
        Indices of longitude and latitude among the spatial parameters.
    unit_scales : tuple of float
        The units of longitude and latitude in rad.
    """

    def __init__(self, model: SpatialModel) -> None:
        names = [parameter.name for parameter in model.parameters]
        self.lon_index, self.lat_index = names.index("lon_0"), names.index("lat_0")
        self.unit_scales = model.lon_0.unit.to("rad"), model.lat_0.unit.to("rad")

    def radians(self, values: Array) -> tuple[float, float]:
        """Return longitude and latitude in radians.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        tuple of float
            Longitude and latitude in rad.
        """
        lon, lat = values[self.lon_index], values[self.lat_index]
        return lon * self.unit_scales[0], lat * self.unit_scales[1]


def separation(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Return the angle between two directions by Vincenty's formula.

    Parameters
    ----------
    lon, lat : float
        Longitude and latitude of the first direction in rad.
    other_lon, other_lat : float
        Longitude and latitude of the second direction in rad.

    Returns
    -------
    float
        The angle in rad.
    """
    delta = other_lon - lon
    y = math.hypot(
        math.cos(other_lat) * math.sin(delta),
        math.cos(lat) * math.sin(other_lat) - math.sin(lat) * math.cos(other_lat) * math.cos(delta),
    )
    x = math.sin(lat) * math.sin(other_lat) + math.cos(lat) * math.cos(other_lat) * math.cos(delta)
    return math.atan2(y, x)


def pixel_at(position: SkyCoord, geom: WcsGeom) -> tuple[float, float]:
    """Return the pixel coordinates of a position, in a geometry without distortion.

    The result is that of `astropy.wcs.utils.skycoord_to_pixel`, which is slower, since it
    transforms coordinates even between equal frames.

    Parameters
    ----------
    position : SkyCoord
        One position.
    geom : gammapy.maps.WcsGeom
        The geometry.

    Returns
    -------
    tuple of float
        Pixel coordinates x and y.
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
    """Position of a model in pixels of an image.

    Parameters
    ----------
    model : gammapy.modeling.models.SpatialModel
        The model, with ``lon_0`` and ``lat_0``.
    geom : gammapy.maps.WcsGeom
        The geometry of the image.
    """

    def __init__(self, model: SpatialModel, geom: WcsGeom) -> None:
        super().__init__(model)
        self.to_pixel, self.to_world = geom.wcs.wcs_world2pix, geom.wcs.wcs_pix2world
        self.rotation = rotation_between(model.frame, geom.frame)

    def __call__(self, values: Array) -> tuple[float, float]:
        """Return the pixel coordinates x and y for values of the spatial parameters."""
        return self._pixel(*self.radians(values))

    def inverse(self, x: float, y: float) -> tuple[float, float]:
        """Return longitude and latitude at pixel coordinates.

        Parameters
        ----------
        x, y : float
            Pixel coordinates.

        Returns
        -------
        tuple of float
            Longitude and latitude in rad, in the frame of the model.
        """
        ((lon, lat),) = np.deg2rad(self.to_world([(x, y)], 0))
        if self.rotation is None:
            return float(lon), float(lat)
        cos_lat = math.cos(lat)
        vector = (cos_lat * math.cos(lon), cos_lat * math.sin(lon), math.sin(lat)) @ self.rotation
        return math.atan2(vector[1], vector[0]), math.asin(vector[2])

    def slope(self, values: Array, index: int) -> tuple[float, float]:
        """Return the derivatives of the pixel coordinates with respect to one of the parameters.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).
        index : int
            Index of the parameter among the spatial parameters.

        Returns
        -------
        tuple of float
            Derivatives of x and y, in pixels per unit of the parameter.
        """
        if index not in (self.lon_index, self.lat_index):
            return 0.0, 0.0
        axis = (self.lon_index, self.lat_index).index(index)
        step = np.zeros(len(values))
        step[index] = PIXEL_STEP / self.unit_scales[axis]
        (x1, y1), (x2, y2) = self(values - step), self(values + step)
        return (x2 - x1) / (2 * step[index]), (y2 - y1) / (2 * step[index])

    def _pixel(self, lon: float, lat: float) -> tuple[float, float]:
        if self.rotation is not None:
            cos_lat = math.cos(lat)
            unit_vector = cos_lat * math.cos(lon), cos_lat * math.sin(lon), math.sin(lat)
            vector = self.rotation @ unit_vector
            lon, lat = math.atan2(vector[1], vector[0]), math.asin(vector[2])
        # with longitudes between 0 and 360 deg, as in SkyCoord
        ((x, y),) = self.to_pixel([(math.degrees(lon) % 360, math.degrees(lat))], 0)
        return float(x), float(y)


class ModelImage:
    """Spatial model integrated over the pixels of an image.

    As in `SpatialModel.integrate_geom`, pixels within the evaluation radius are oversampled if the
    model has structures smaller than a pixel.

    Parameters
    ----------
    model : gammapy.modeling.models.SpatialModel
        A model with the same image at all energies, and with an evaluation radius.
    geom : gammapy.maps.WcsGeom
        The geometry of the image.
    area : array, optional
        Solid angles of its pixels in sr, shape (y, x); by default they are computed.
    """

    def __init__(self, model: SpatialModel, geom: WcsGeom, area: Array | None = None) -> None:
        self.model, self.geom = model, geom
        self.area = geom.solid_angle().to_value("sr") if area is None else area
        self.pixel_scales = geom.pixel_scales.to_value("deg")
        self.position = PixelPosition(model, geom)
        self.names = [parameter.name for parameter in model.parameters]
        self.scales = [scale_of(parameter.unit) for parameter in model.parameters]
        self.grids: dict[Any, SkyGrid] = {}
        self.extent: tuple[bytes, int, Array] | None = None
        self.method: Callable[[SkyGrid, Array], Array] | None = None

    def __call__(self, values: Array) -> Array:
        """Return the fraction of the flux in each pixel, shape (y, x).

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,); the model must have the same values.
        """
        factor, sides = self._extent(values)
        slices = self._slices_around(values, sides)
        if factor == 1 or slices is None:
            factor, slices = 1, (slice(0, self.area.shape[0]), slice(0, self.area.shape[1]))
        image: Array = np.zeros(self.area.shape)
        image[slices] = self._average(values, factor, slices)
        return np.asarray(image * self.area)

    def _average(self, values: Array, factor: int, slices: tuple[slice, slice]) -> Array:
        """Average the model over the pixels, oversampled by a factor along both axes."""
        brightness = self._evaluate(self._grid(factor, slices), values)
        height, width = (pixels.stop - pixels.start for pixels in slices)
        brightness = np.broadcast_to(brightness, (height * factor, width * factor))
        return brightness.reshape(height, factor, width, factor).mean(axis=(1, 3))  # type: ignore[no-any-return]

    def _evaluate(self, grid: SkyGrid, values: Array) -> Array:
        """Evaluate the model in sr-1, by the fastest method that agrees with gammapy's.

        An evaluation with units takes ten times as long as one without.
        """
        if self.method is not None:
            try:
                return self.method(grid, values)
            except Exception:  # for example, if a size is zero
                return self._evaluate_with_units(grid, values)
        expected = self._evaluate_with_units(grid, values)
        self.method = self._evaluate_with_units
        for method in (self._evaluate_formula, self._evaluate_without_units):
            if _agrees(method, grid, values, expected):
                self.method = method
                break
        return expected

    def _converted_values(self, values: Array) -> dict[str, float]:
        pairs = zip(self.names, values.tolist(), self.scales, strict=True)
        return {name: value * scale for name, value, scale in pairs}

    def _evaluate_formula(self, grid: SkyGrid, values: Array) -> Array:
        formula = find_formula(self.model)
        if formula is None:
            raise NotImplementedError
        with np.errstate(all="ignore"):
            return formula(grid, self._converted_values(values))

    def _evaluate_without_units(self, grid: SkyGrid, values: Array) -> Array:
        numbers = {
            name: PlainArray.from_numbers(value)
            for name, value in self._converted_values(values).items()
        }
        result = self.model.evaluate(
            PlainArray.from_numbers(grid.lon), PlainArray.from_numbers(grid.lat), **numbers
        )
        return np.asarray(getattr(result, "value", result), dtype=float)

    def _evaluate_with_units(self, grid: SkyGrid, values: Array) -> Array:
        quantities = {parameter.name: parameter.quantity for parameter in self.model.parameters}
        try:
            brightness = self.model.evaluate(grid.lon * u.rad, grid.lat * u.rad, **quantities)
        except ZeroDivisionError:  # if a size is zero
            return np.full(np.broadcast(grid.lon, grid.lat).shape, np.nan)
        return np.asarray(brightness.to_value("sr-1"), dtype=float)

    def _extent(self, values: Array) -> tuple[int, Array]:
        """Return the oversampling factor, and the size (x, y) of the evaluated region in pixels.

        They do not depend on the position, and are cached for the last values of the other
        parameters.
        """
        others = np.delete(values, [self.position.lon_index, self.position.lat_index]).tobytes()
        if self.extent is None or self.extent[0] != others:
            radius = self.model.evaluation_radius.to_value("deg")
            sides = np.round(
                np.clip(2 * max(radius, np.max(self.pixel_scales)) / self.pixel_scales, 1, None)
            )
            self.extent = others, self._oversampling(), sides
        return self.extent[1:]

    def _oversampling(self) -> int:
        from gammapy.modeling.models.spatial import MAX_OVERSAMPLING

        bin_size = self.model.evaluation_bin_size_min
        if bin_size is None:
            return 1
        with np.errstate(divide="ignore"):
            factor = np.ceil(np.max(self.pixel_scales) / np.float64(bin_size.to_value("deg")))
        return int(min(factor, MAX_OVERSAMPLING)) if factor > 0 else MAX_OVERSAMPLING

    def _slices_around(self, values: Array, sides: Array) -> tuple[slice, slice] | None:
        """Return the slices around the position of the model; None if it is outside the image."""
        from astropy.nddata.utils import NoOverlapError, overlap_slices

        x, y = self.position(values)
        size = (int(sides[1]), int(sides[0]))
        try:
            return overlap_slices(self.area.shape, size, (y, x), mode="trim")[0]  # type: ignore[no-any-return]
        except (NoOverlapError, ValueError):
            return None

    def _grid(self, factor: int, slices: tuple[slice, slice]) -> SkyGrid:
        """Return the directions of the oversampled pixels in the frame of the model."""
        from gammapy.maps import WcsGeom

        key = factor, slices[0].start, slices[0].stop, slices[1].start, slices[1].stop
        if key not in self.grids:
            if len(self.grids) >= MAX_CACHED_GRIDS:
                self.grids.pop(next(iter(self.grids)))
            geom = WcsGeom(self.geom.wcs[slices], npix=(key[4] - key[3], key[2] - key[1]))
            geom = geom.upsample(factor) if factor > 1 else geom
            coordinates = geom.get_coord(frame=self.model.frame, sparse=True)
            lon, lat = coordinates.lon.to_value("rad"), coordinates.lat.to_value("rad")
            self.grids[key] = SkyGrid(lon, lat)
        return self.grids[key]


def _agrees(
    method: Callable[[SkyGrid, Array], Array], grid: SkyGrid, values: Array, expected: Array
) -> bool:
    try:
        result = method(grid, values)
    except Exception:  # a model may need quantities, and raise any error without them
        return False
    scale = np.max(np.abs(expected), initial=0)
    return bool(np.allclose(result, expected, rtol=TOLERANCE, atol=TOLERANCE * scale))
