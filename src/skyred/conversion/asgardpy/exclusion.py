"""Convert the exclusion regions of asgardpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy import units as u

from skyred.conversion.plain_values import circle_region
from skyred.conversion.section import Section


def exclusion_regions(info: Section) -> list[str]:
    """Return the exclusion regions of an instrument, as regions or files of mask maps.

    Parameters
    ----------
    info : Section
        The section `dataset_info` of an instrument.

    Returns
    -------
    list of str
        The regions.
    """
    exclusion = info.section("background.exclusion")
    exclusion.skip("target_source", "asgardpy does not use it", changes_results=False)
    regions = [region for item in exclusion.items("regions") for region in _region(item)]
    regions += _catalog_regions(info)
    exclusion_file = str(exclusion.read("exclusion_file", "None"))
    if regions or exclusion_file == "None":
        if exclusion_file != "None":
            reason = "asgardpy does not use it together with regions or a catalogue"
            exclusion.skip("exclusion_file", reason, changes_results=False)
        return regions
    return [exclusion_file]


def _region(region: Section) -> list[str]:
    position = region.section("position")
    name = region.read("name", "")
    if name not in ("", "None"):
        region.skip("name", "asgardpy looks up the position on the internet; set its coordinates")
        return []
    lon, lat = (position.read_angle(axis) for axis in ("lon", "lat"))
    frame = str(position.read("frame", "icrs"))
    position.skip("radius", "is not used", changes_results=False)
    parameters = region.section("parameters")
    region_type = region.read("type", "")
    if region_type == "CircleSkyRegion":
        return [circle_region(lon, lat, parameters.read_angle("region_radius"), frame)]
    if region_type == "CircleAnnulusSkyRegion":
        angles = (lon, lat, parameters.read_angle("rad_0"), parameters.read_angle("rad_1"))
        numbers = ", ".join(repr(float(angle.to_value("deg"))) for angle in angles)
        return [f"{frame}; annulus({numbers})"]
    region.source.add_problem(f"{region.path}.type", f"unknown type of region {region_type!r}",
                              "expected CircleSkyRegion or CircleAnnulusSkyRegion")  # fmt: skip
    return []


def _catalog_regions(info: Section) -> list[str]:
    """Return circles around the sources of the catalogue that are inside the map."""
    catalog_section = Section(info.source, "target.use_catalog")
    radius = catalog_section.read_angle("exclusion_radius")
    if radius == 0 * u.deg:
        return []
    from gammapy.catalog import CATALOG_REGISTRY

    name = str(catalog_section.read("name", ""))
    try:
        positions = CATALOG_REGISTRY.get_cls(name)().positions
    except (OSError, KeyError) as error:
        catalog_section.skip("exclusion_radius", f"the catalogue {name!r} cannot be read: {error}")
        return []
    is_excluded = _exclusion_geometry(info).contains(positions)
    return [
        circle_region(position.ra, position.dec, radius, "icrs")
        for position in positions.icrs[np.asarray(is_excluded)]
    ]


def _exclusion_geometry(info: Section) -> Any:
    """Return the map of the frame in which asgardpy excludes sources."""
    from astropy.coordinates import SkyCoord
    from gammapy.maps import WcsGeom

    wcs = info.section("geom.wcs")
    width = [wcs.read_angle(f"map_frame_shape.{name}", "5 deg").to_value("deg")
             for name in ("width", "height")]  # fmt: skip
    bin_size = wcs.read_angle("binsize", "0.1 deg").to_value("deg")
    region = info.section("on_region")
    center = SkyCoord(region.read_angle("lon"),
                      region.read_angle("lat"),
                      frame=region.read("frame", "icrs"))  # fmt: skip
    return WcsGeom.create(skydir=center, width=width, binsz=bin_size,
                          proj=wcs.read("proj", "TAN"), frame=center.frame.name)  # fmt: skip
