"""Positions of spatial models, in their own frames and in pixels of a map."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.frames import rotation_between

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.maps import WcsGeom
    from gammapy.modeling.models import SpatialModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PIXEL_STEP = 1e-6  # rad, for the derivative of a position in pixels


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
