"""Positions and solid angles of the pixels of maps, computed once for all runs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from skyred.components.projection.interpolation import Array
from skyred.likelihood.frames import rotation_between

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gammapy.maps import RegionGeom, WcsGeom


@attrs.frozen
class Direction:
    """A direction in ICRS.

    Parameters
    ----------
    lon, lat : float
        Right ascension and declination in rad.
    """

    lon: float
    lat: float

    @classmethod
    def create(cls, position: SkyCoord) -> Direction:
        """Return the direction of a position.

        Parameters
        ----------
        position : astropy.coordinates.SkyCoord
            The position.

        Returns
        -------
        Direction
            The direction.
        """
        icrs = position.icrs if position.frame.name != "icrs" else position
        return cls(float(icrs.ra.to_value("rad")), float(icrs.dec.to_value("rad")))

    def in_frame(self, frame: str) -> tuple[float, float]:
        """Return longitude and latitude in a frame.

        Parameters
        ----------
        frame : str
            The name of the frame.

        Returns
        -------
        tuple of float
            Longitude and latitude in rad.
        """
        if frame == "icrs":
            return self.lon, self.lat
        x, y, z = rotation_to_icrs(frame).T @ _unit_vectors(self.lon, self.lat)
        return float(np.arctan2(y, x)), float(np.arctan2(z, np.hypot(x, y)))


def _unit_vectors(lon: Any, lat: Any) -> Array:
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


@attrs.define(eq=False)
class PixelGrid:
    """The centres of the n pixels of an image or region.

    Parameters
    ----------
    frame : str
        The sky frame of the positions.
    lon, lat : numpy.ndarray
        The positions in rad, shape (n,).
    solid_angle : numpy.ndarray
        The solid angles in sr, shape (n,).
    """

    frame: str
    lon: Array
    lat: Array
    solid_angle: Array
    _sin_lat: Array = attrs.field(init=False)
    _cos_lat: Array = attrs.field(init=False)
    _icrs_vectors: Array | None = attrs.field(default=None, init=False)
    _offsets: tuple[Direction, Array] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._sin_lat, self._cos_lat = np.sin(self.lat), np.cos(self.lat)

    @classmethod
    def of_region(cls, geom: RegionGeom) -> PixelGrid:
        """Return the grid of the centre of a region.

        Parameters
        ----------
        geom : gammapy.maps.RegionGeom
            The geometry of the region.

        Returns
        -------
        PixelGrid
            The grid, with a single pixel; its solid angle is that of the region.
        """
        image = geom.to_image()
        return cls._of_coordinates(image.get_coord().skycoord, geom.frame, image.solid_angle())

    @classmethod
    def of_image(cls, geom: WcsGeom) -> PixelGrid:
        """Return the grid of the pixels of an image.

        Parameters
        ----------
        geom : gammapy.maps.WcsGeom
            The geometry; its energy axes are ignored.

        Returns
        -------
        PixelGrid
            The grid, in the order of the data.
        """
        image = geom.to_image()
        return cls._of_coordinates(image.get_coord().skycoord, geom.frame, image.solid_angle())

    @classmethod
    def _of_coordinates(cls, position: SkyCoord, frame: str, solid_angle: Any) -> PixelGrid:
        lon, lat = position.spherical.lon, position.spherical.lat
        shape = np.broadcast_shapes(lon.shape, solid_angle.shape)
        return cls(
            frame,
            lon.to_value("rad").ravel(),
            lat.to_value("rad").ravel(),
            np.broadcast_to(solid_angle.to_value("sr"), shape).ravel(),
        )

    def select(self, indices: NDArray[np.intp]) -> PixelGrid:
        """Return the grid of some of the pixels.

        Parameters
        ----------
        indices : numpy.ndarray of int
            The indices of the pixels.

        Returns
        -------
        PixelGrid
            Their grid.
        """
        grid = PixelGrid(
            self.frame, self.lon[indices], self.lat[indices], self.solid_angle[indices]
        )
        grid._icrs_vectors = self.icrs_vectors[:, indices]
        return grid

    @property
    def icrs_vectors(self) -> Array:
        """The unit vectors of the positions in ICRS, shape (3, n)."""
        if self._icrs_vectors is None:
            vectors = _unit_vectors(self.lon, self.lat)
            self._icrs_vectors = rotation_to_icrs(self.frame) @ vectors
        return self._icrs_vectors

    def offsets(self, direction: Direction) -> Array:
        """Return the offsets of the pixels from a direction.

        Parameters
        ----------
        direction : Direction
            The direction, usually the pointing.

        Returns
        -------
        numpy.ndarray
            The offsets in deg, shape (n,).

        References
        ----------
        The formula of Vincenty, as in `astropy.coordinates.angular_separation`.
        """
        cached = self._offsets  # another thread may replace it
        if cached is None or cached[0] != direction:
            lon, lat = direction.in_frame(self.frame)
            cached = direction, np.degrees(self._separate(lon, lat))
            self._offsets = cached
        return cached[1]

    def _separate(self, lon: float, lat: float) -> Array:
        difference = lon - self.lon
        sin_difference, cos_difference = np.sin(difference), np.cos(difference)
        sin_lat, cos_lat = np.sin(lat), np.cos(lat)
        separation: Array = np.arctan2(
            np.hypot(
                cos_lat * sin_difference,
                self._cos_lat * sin_lat - self._sin_lat * cos_lat * cos_difference,
            ),
            self._sin_lat * sin_lat + self._cos_lat * cos_lat * cos_difference,
        )
        return separation

    def field_of_view_coordinates(self, direction: Direction) -> tuple[Array, Array]:
        """Return the coordinates of the pixels in the field of view, aligned with ICRS.

        Parameters
        ----------
        direction : Direction
            The pointing.

        Returns
        -------
        lon, lat : numpy.ndarray
            The coordinates in deg, shape (n,), as gammapy's ``FoVICRSFrame``: the longitude
            decreases with right ascension.
        """
        lon, lat = direction.lon, direction.lat
        sin_lon, cos_lon, sin_lat, cos_lat = np.sin(lon), np.cos(lon), np.sin(lat), np.cos(lat)
        x, y, z = self.icrs_vectors
        radial = cos_lon * x + sin_lon * y
        return (
            np.degrees(np.arctan2(sin_lon * x - cos_lon * y, cos_lat * radial + sin_lat * z)),
            np.degrees(np.arcsin(np.clip(cos_lat * z - sin_lat * radial, -1, 1))),
        )


@cache
def rotation_to_icrs(frame: str) -> Array:
    """Return the matrix that rotates vectors from a frame to ICRS.

    Parameters
    ----------
    frame : str
        The name of the frame, such as ``"galactic"``.

    Returns
    -------
    numpy.ndarray
        The matrix, shape (3, 3).
    """
    matrix = rotation_between(frame, "icrs")
    return np.eye(3) if matrix is None else matrix
