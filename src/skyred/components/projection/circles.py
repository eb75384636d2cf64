"""Circular regions in pixels, and the events inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.maps import RegionNDMap
from gammapy.maps.geom import pix_tuple_to_idx
from numpy.typing import NDArray
from regions import CircleSkyRegion, PointSkyRegion

from skyred.components.projection.interpolation import Array

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from gammapy.maps import MapAxis, RegionGeom

FRAMES = ("icrs", "galactic")  # frames without attributes
Circle = tuple[str, float, float, float]
ARCSEC = np.radians(1 / 3600)


@attrs.frozen(eq=False)
class PixelCircles:
    """Circles on the pixels of a WCS.

    Parameters
    ----------
    x, y, radius : numpy.ndarray
        The centres and the radii in pixels, shape (n,).
    """

    x: Array
    y: Array
    radius: Array

    def contain(self, x: Array, y: Array) -> NDArray[np.bool_]:
        """Return whether points are inside any of the circles.

        Parameters
        ----------
        x, y : numpy.ndarray
            The points in pixels, shape (m,).

        Returns
        -------
        numpy.ndarray of bool
            Shape (m,).
        """
        is_contained = np.zeros(np.shape(x), dtype=bool)
        for circle_x, circle_y, radius in zip(self.x, self.y, self.radius, strict=True):
            is_contained |= np.hypot(x - circle_x, y - circle_y) < radius
        return is_contained

    def to_sky(self, wcs: WCS, frame: str) -> list[CircleSkyRegion]:
        """Return the circles on the sky.

        Parameters
        ----------
        wcs : astropy.wcs.WCS
            The WCS of the pixels.
        frame : str
            Its frame.

        Returns
        -------
        list of regions.CircleSkyRegion
            The regions, as `regions.CirclePixelRegion.to_sky` computes them.
        """
        lon, lat = wcs.wcs_pix2world(self.x, self.y, 0)
        centers = SkyCoord(lon, lat, unit="deg", frame=frame)
        radii = u.Quantity(self.radius * pixel_scale(wcs, lon, lat), "arcsec").to("deg")
        return [
            CircleSkyRegion(center, radius) for center, radius in zip(centers, radii, strict=True)
        ]


def pixel_scale(wcs: WCS, lon: Any, lat: Any) -> Array:
    """Return the size of a pixel towards north.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        The WCS.
    lon, lat : numpy.ndarray
        The positions in deg, shape (n,).

    Returns
    -------
    numpy.ndarray
        The size in arcsec, shape (n,), from the distance of 1 arcsec in pixels, as in
        `regions`.
    """
    x, y = wcs.wcs_world2pix(lon, lat, 0)
    offset_x, offset_y = wcs.wcs_world2pix(*_offset_north(lon, lat), 0)
    return np.asarray(1 / np.hypot(offset_x - x, offset_y - y))


def _offset_north(lon: Any, lat: Any) -> tuple[Array, Array]:
    """Return the positions 1 arcsec north; beyond the pole, the longitude changes by 180 deg."""
    lon, lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float) + np.degrees(ARCSEC)
    is_beyond = lat > 90
    return np.where(is_beyond, lon + 180, lon), np.where(is_beyond, 180 - lat, lat)


def describe_circle(region: Any) -> Circle | None:
    """Return the values of a circle, which can be compared and hashed.

    Parameters
    ----------
    region : regions.SkyRegion
        The region.

    Returns
    -------
    tuple or None
        The frame, the longitude, the latitude and the radius in deg; None for other regions, and
        frames other than ICRS and Galactic.
    """
    return describe_region(region) if type(region) is CircleSkyRegion else None


def describe_region(region: Any) -> Circle | None:
    """Return the values of a circle or a point, which can be compared and hashed.

    Parameters
    ----------
    region : regions.SkyRegion
        The region.

    Returns
    -------
    tuple or None
        As `describe_circle`; the radius of a point is 0.
    """
    if type(region) not in (CircleSkyRegion, PointSkyRegion):
        return None
    if region.center.frame.name not in FRAMES:
        return None
    position = region.center.spherical
    return (
        region.center.frame.name,
        float(position.lon.to_value("deg")),
        float(position.lat.to_value("deg")),
        float(region.radius.to_value("deg")) if hasattr(region, "radius") else 0.0,
    )


def to_pixels(circle: Circle, wcs: WCS) -> PixelCircles:
    """Return a circle on the pixels of a WCS in the same frame.

    Parameters
    ----------
    circle : tuple
        The circle, as from `describe_circle`.
    wcs : astropy.wcs.WCS
        The WCS.

    Returns
    -------
    PixelCircles
        The circle.
    """
    _, lon, lat, radius = circle
    x, y = wcs.wcs_world2pix([lon], [lat], 0)
    return PixelCircles(x, y, radius * 3600 / pixel_scale(wcs, [lon], [lat]))


def count_in_circles(events: Any, geom: RegionGeom, circles: PixelCircles, wcs: WCS) -> RegionNDMap:
    """Count events inside circles by energy, as gammapy's `Map.fill_events`.

    Parameters
    ----------
    events : gammapy.data.EventList
        The events.
    geom : gammapy.maps.RegionGeom
        The geometry of the counts, with the axis ``energy`` only.
    circles : PixelCircles
        The circles.
    wcs : astropy.wcs.WCS
        The WCS of their pixels, in the frame of the geometry.

    Returns
    -------
    gammapy.maps.RegionNDMap
        The counts.
    """
    position = events.radec.transform_to(geom.frame).spherical
    x, y = wcs.wcs_world2pix(position.lon.to_value("deg"), position.lat.to_value("deg"), 0)
    is_contained = circles.contain(x, y)
    result = RegionNDMap.from_geom(geom)
    counts = count_by_energy(geom.axes["energy"], events.energy[is_contained])
    result.data += counts.reshape(result.data.shape)
    return result


def count_by_energy(axis: MapAxis, energy: u.Quantity) -> NDArray[np.intp]:
    """Count energies in the bins of an axis, as gammapy's `Map.fill_by_coord`.

    Energies at the edge of a bin are counted in the bin to which gammapy rounds their pixel
    coordinate, which depends on the type of the energies.

    Parameters
    ----------
    axis : gammapy.maps.MapAxis
        The axis, with n bins.
    energy : astropy.units.Quantity
        The energies, shape (events,).

    Returns
    -------
    numpy.ndarray of int
        The counts, shape (n,).
    """
    (bins,) = pix_tuple_to_idx((axis.coord_to_pix(energy.to(axis.unit)),))
    bins = bins[(bins >= 0) & (bins < axis.nbin)]
    return np.bincount(bins, minlength=axis.nbin)
