"""Counts in off regions, as in gammapy's `ReflectedRegionsBackgroundMaker`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.makers import ReflectedRegionsFinder
from gammapy.makers.background.reflected import is_rad_max_compatible_region_geom
from gammapy.maps import RegionGeom, RegionNDMap
from regions import PointSkyRegion

from skyred.components.projection.circles import PixelCircles, count_in_circles
from skyred.components.projection.off_circles import (
    CircleSearch,
    find_reflected,
    find_wobble,
    may_overlap,
)
from skyred.components.projection.pointing import find_pointing
from skyred.components.projection.rad_max import count_in_rad_max, do_overlap

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.maps import WcsGeom, WcsNDMap

    OffMaps = tuple[RegionNDMap, RegionNDMap]


def count_off(
    geom: RegionGeom,
    observation: Observation,
    finder: Any,
    search_geom: WcsGeom,
    mask: WcsNDMap | None,
) -> OffMaps | None:
    """Count events in off regions.

    Parameters
    ----------
    geom : gammapy.maps.RegionGeom
        The geometry of the on region, with the axis ``energy``.
    observation : gammapy.data.Observation
        The run.
    finder : gammapy.makers.ReflectedRegionsFinder or gammapy.makers.WobbleRegionsFinder
        The finder of off regions, with its options.
    search_geom : gammapy.maps.WcsGeom
        The map on which the finder places the regions.
    mask : gammapy.maps.WcsNDMap, optional
        The exclusion mask on this map.

    Returns
    -------
    tuple of gammapy.maps.RegionNDMap, or None
        The counts, and the number of off regions as the acceptance; None if gammapy must search:
        without off regions, or if the on region is neither a circle nor a point.
    """
    if geom.axes.names != ["energy"]:
        return None
    allowed = None if mask is None else mask.data
    search = CircleSearch.create(geom.region, find_pointing(observation), search_geom, allowed)
    if search is None:
        return None
    count = _count_around_points if geom.is_all_point_sky_regions else _count_in_circles
    return count(geom, observation, finder, search)


def _count_in_circles(
    geom: RegionGeom, observation: Observation, finder: Any, search: CircleSearch
) -> OffMaps | None:
    rad_max = observation.rad_max
    if rad_max is not None and not is_rad_max_compatible_region_geom(rad_max, geom):
        return None
    if isinstance(finder, ReflectedRegionsFinder):
        circles = find_reflected(search, finder)
    else:
        circles = find_wobble(search, finder.n_off_regions)
        if may_overlap(circles):
            return None
    if circles is None or not len(circles.x):
        return None
    wcs = search.geom.wcs
    regions = circles.to_sky(wcs, search.geom.frame)
    geom_off = _create_geom(geom, regions, search)
    counts_off = count_in_circles(observation.events, geom_off, circles, wcs)
    return counts_off, RegionNDMap.from_geom(geom_off, data=len(regions))


def _count_around_points(
    geom: RegionGeom, observation: Observation, finder: Any, search: CircleSearch
) -> OffMaps | None:
    """Count events around points, with the radius of the IRFs."""
    rad_max, events = observation.rad_max, observation.events
    if rad_max is None or isinstance(finder, ReflectedRegionsFinder):
        return None
    points = find_wobble(search, finder.n_off_regions)
    centers = _find_centers(points, search)
    regions = [PointSkyRegion(center) for center in centers]
    on_center = geom.region.center
    offset = on_center.separation(events.pointing_radec)
    lon, lat = (
        np.append(getattr(on_center.spherical, name).rad, getattr(centers.spherical, name).rad)
        for name in ("lon", "lat")
    )
    if not regions or do_overlap(lon, lat, rad_max, offset, geom.axes["energy"]):
        return None
    geom_off = _create_geom(geom, regions, search)
    counts_off = count_in_rad_max(events, geom_off, centers, rad_max)
    return counts_off, RegionNDMap.from_geom(geom_off, data=len(regions))


def _find_centers(points: PixelCircles, search: CircleSearch) -> SkyCoord:
    lon, lat = search.geom.wcs.wcs_pix2world(points.x, points.y, 0)
    return SkyCoord(lon, lat, unit="deg", frame=search.geom.frame)


def _create_geom(geom: RegionGeom, regions: list[Any], search: CircleSearch) -> RegionGeom:
    axes = [geom.axes["energy"]]
    return RegionGeom.from_regions(regions=regions, axes=axes, wcs=search.geom.wcs)
