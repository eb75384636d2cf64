"""Counts around points, within the radius of point-like IRFs (RAD_MAX)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord, angular_separation
from gammapy.maps import RegionNDMap
from numpy.typing import NDArray

from skyred.components.projection.circles import count_by_energy
from skyred.components.projection.interpolation import Array

if TYPE_CHECKING:
    from astropy.coordinates import Angle
    from gammapy.irf import RadMax2D
    from gammapy.maps import MapAxis, RegionGeom

MARGIN = 1e-6  # deg or rad, for rounding


def count_in_rad_max(
    events: Any, geom: RegionGeom, centers: SkyCoord, rad_max: RadMax2D
) -> RegionNDMap:
    """Count events around points by energy, as gammapy's `make_counts_off_rad_max`.

    Parameters
    ----------
    events : gammapy.data.EventList
        The events.
    geom : gammapy.maps.RegionGeom
        The geometry of the counts, with the axis ``energy`` only.
    centers : astropy.coordinates.SkyCoord
        The points, shape (n,).
    rad_max : gammapy.irf.RadMax2D
        The radius, which depends on the energy and the offset.

    Returns
    -------
    gammapy.maps.RegionNDMap
        The counts. An event near several points is counted several times.
    """
    axis, energy, position = geom.axes["energy"], events.energy, events.radec
    ra, dec = position.ra.rad, position.dec.rad
    largest = np.radians(np.nanmax(rad_max.quantity.to_value("deg")) + MARGIN)
    points = centers.icrs
    matches = [
        _find_near(lon, lat, ra, dec, largest)
        for lon, lat in zip(points.ra.rad, points.dec.rad, strict=True)
    ]
    event = np.concatenate([rows for rows, _ in matches])
    separation = u.Quantity(np.concatenate([distances for _, distances in matches]), "rad")
    offset = np.repeat(points.separation(events.pointing_radec), [len(rows) for rows, _ in matches])
    radius = rad_max.evaluate(method="nearest", energy=energy[event], offset=offset)
    counts = count_by_energy(axis, energy[event][separation <= radius])
    result = RegionNDMap.from_geom(geom)
    result.data += counts.reshape(result.data.shape)
    return result


def _find_near(
    lon: float, lat: float, ra: Array, dec: Array, largest: float
) -> tuple[NDArray[np.intp], Array]:
    """Return the events near a point, and their distances, all in rad."""
    candidates = np.flatnonzero(np.abs(dec - lat) <= largest)
    sine = np.sin(min(largest, np.pi / 2)) / np.cos(lat)
    if sine < 1:  # the circle contains no pole: this is its largest difference in longitude
        difference = np.abs(np.remainder(ra[candidates] - lon + np.pi, 2 * np.pi) - np.pi)
        candidates = candidates[difference <= np.arcsin(sine) + MARGIN]
    separation = angular_separation(lon, lat, ra[candidates], dec[candidates])
    is_near = separation <= largest
    return candidates[is_near], separation[is_near]


def do_overlap(lon: Array, lat: Array, rad_max: RadMax2D, offset: Angle, energy: MapAxis) -> bool:
    """Return whether the regions around points overlap at any energy.

    Parameters
    ----------
    lon, lat : numpy.ndarray
        The points in rad, shape (n,).
    rad_max : gammapy.irf.RadMax2D
        The radius, which depends on the energy and the offset.
    offset : astropy.coordinates.Angle
        The offset of the points.
    energy : gammapy.maps.MapAxis
        The axis whose energies are considered.

    Returns
    -------
    bool
        Whether they do.

    References
    ----------
    gammapy's `are_regions_overlapping_rad_max`, with all separations at once.
    """
    first, second = np.triu_indices(len(lon), 1)
    separations = angular_separation(lon[first], lat[first], lon[second], lat[second])
    low, high = energy.bounds
    axis = rad_max.axes["energy"]
    radius = rad_max.evaluate(offset=offset)[(axis.edges_max >= low) & (axis.edges_min <= high)]
    return bool(np.any(u.Quantity(separations, "rad") < 2 * radius))
