"""Surface brightness of common spatial models, computed from unit vectors.

gammapy computes it from longitudes and latitudes, with six trigonometric functions per
pixel. With unit vectors u of a pixel and c of the centre, ``1 - cos(separation) = |u - c|^2 / 2``.
The position angle follows from the components of u to the north and to the east.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from scipy.special import erf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Values = Mapping[str, float]

# as in gammapy: over the edge width, a disk drops from 95 % to 5 % of its amplitude
EDGE_95 = 2.326174307353347


@attrs.define(eq=False, slots=False)
class SkyGrid:
    """Directions of pixels in the frame of a model.

    Parameters
    ----------
    lon, lat : array
        Longitudes and latitudes in rad, shapes that broadcast to (y, x).
    """

    lon: Array
    lat: Array

    @cached_property
    def vectors(self) -> tuple[Array, Array, Array]:
        """The three components of unit vectors."""
        cos_lat = np.cos(self.lat)
        return (
            cos_lat * np.cos(self.lon),
            cos_lat * np.sin(self.lon),
            np.sin(self.lat) + 0 * self.lon,
        )

    def squared_chords(self, lon: float, lat: float) -> Array:
        """Return the squares of the chords to a direction, ``2 (1 - cos(separation))``.

        Parameters
        ----------
        lon, lat : float
            Longitude and latitude of the direction in rad.

        Returns
        -------
        array
            Squared chords, shape (y, x).
        """
        (x, y, z), cos_lat = self.vectors, math.cos(lat)
        squares = np.square(x - cos_lat * math.cos(lon))
        squares += np.square(y - cos_lat * math.sin(lon))
        squares += np.square(z - math.sin(lat))
        return squares

    def squared_cosines(self, lon: float, lat: float, angle: float) -> Array:
        """Return the squared cosines of the position angles of pixels around a direction.

        Parameters
        ----------
        lon, lat : float
            Longitude and latitude of the direction in rad.
        angle : float
            The angle from which position angles are measured, in rad.

        Returns
        -------
        array
            Squared cosines, shape (y, x).
        """
        x, y, z = self.vectors
        east = y * math.cos(lon) - x * math.sin(lon)
        north = z * math.cos(lat) - math.sin(lat) * (x * math.cos(lon) + y * math.sin(lon))
        square = np.square(east) + np.square(north)
        squared_projection = np.square(north * math.cos(angle) + east * math.sin(angle))
        # the position angle of the centre itself is zero
        centre = math.cos(angle) ** 2
        return np.where(square > 0, squared_projection / np.where(square > 0, square, 1), centre)


Formula = Callable[[SkyGrid, "Values"], "Array"]


def find_formula(model: Any) -> Formula | None:
    """Return the formula for a spatial model.

    Parameters
    ----------
    model : gammapy.modeling.models.SpatialModel
        The model.

    Returns
    -------
    callable or None
        Function of the grid and the values, such as `disk`; None if this module has no formula.
    """
    from gammapy.modeling.models import DiskSpatialModel, GaussianSpatialModel

    return {GaussianSpatialModel: gaussian, DiskSpatialModel: disk}.get(type(model))


def gaussian(grid: SkyGrid, values: Values) -> Array:
    """Return the surface brightness of a Gaussian in sr-1, as `GaussianSpatialModel.evaluate` does.

    Parameters
    ----------
    grid : SkyGrid
        The directions.
    values : mapping
        The values of the spatial parameters by name, angles in rad.

    Returns
    -------
    array
        The surface brightness, shape (y, x).
    """
    sigma, position = values["sigma"], (values["lon_0"], values["lat_0"])
    if values["e"] == 0:
        a: Any = 1.0 - math.cos(sigma)
        norm = 1 / (4 * math.pi * a * (1.0 - math.exp(-1.0 / a)))
    else:
        a = 1.0 - np.cos(_effective_size(grid, values, sigma))
        norm = 1 / (2 * math.pi * sigma * sigma * math.sqrt(1 - values["e"] ** 2))
    return np.asarray(norm * np.exp(grid.squared_chords(*position) * (-0.25 / a)))


def disk(grid: SkyGrid, values: Values) -> Array:
    """Return the surface brightness of a disk in sr-1, as `DiskSpatialModel.evaluate` does.

    Parameters
    ----------
    grid : SkyGrid
        The directions.
    values : mapping
        The values of the spatial parameters by name, angles in rad.

    Returns
    -------
    array
        The surface brightness, shape (y, x).
    """
    from gammapy.modeling.models import DiskSpatialModel

    radius, eccentricity = values["r_0"], values["e"]
    if eccentricity == 0:
        size: Any = radius
        norm = 1 / (2 * math.pi * (1 - math.cos(radius)))
    else:
        size = _effective_size(grid, values, radius)
        norm = DiskSpatialModel._evaluate_norm_factor(radius, eccentricity)
    chords = np.sqrt(grid.squared_chords(values["lon_0"], values["lat_0"]))
    distance = 2 * np.arcsin(np.minimum(chords / 2, 1)) - size
    return np.asarray(norm * 0.5 * (1 - erf(distance * (EDGE_95 / (size * values["edge_width"])))))


def _effective_size(grid: SkyGrid, values: Values, major: float) -> Array:
    """Return the radius of an ellipse in each direction, as `compute_sigma_eff` does."""
    minor = major * math.sqrt(1 - values["e"] ** 2)
    cos2 = grid.squared_cosines(values["lon_0"], values["lat_0"], values["phi"])
    return np.asarray(major * minor / np.sqrt(major**2 * (1 - cos2) + minor**2 * cos2))
