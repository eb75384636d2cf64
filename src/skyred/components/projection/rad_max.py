"""Counts around points, within the radius of point-like IRFs (RAD_MAX)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord, angular_separation
from gammapy.maps import RegionNDMap

from skyred.components.projection.circles import count_by_energy

if TYPE_CHECKING:
    from gammapy.irf import RadMax2D
    from gammapy.maps import RegionGeom

MARGIN = 1e-6  # deg, for rounding


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
    axis, pointing, position = geom.axes["energy"], events.pointing_radec, events.radec
    ra, dec, energy = position.ra.rad, position.dec.rad, events.energy
    largest = np.nanmax(rad_max.quantity.to_value("deg")) + MARGIN
    counts = np.zeros(axis.nbin, dtype=int)
    for center in centers.icrs:
        separation = angular_separation(center.ra.rad, center.dec.rad, ra, dec)
        is_near = np.degrees(separation) <= largest
        radius = rad_max.evaluate(
            method="nearest", energy=energy[is_near], offset=center.separation(pointing)
        )
        is_inside = u.Quantity(separation[is_near], "rad") <= radius
        counts += count_by_energy(axis, energy[is_near][is_inside])
    result = RegionNDMap.from_geom(geom)
    result.data += counts.reshape(result.data.shape)
    return result
