"""Checks that regions of the sky are finite, not inverted, and cover a pixel of a map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import FieldError

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from regions import Region

    from skyred.fields.sky_regions import Regions

_NO_AREA = ("PointSkyRegion", "LineSkyRegion", "TextSkyRegion")
FRAMES = ("icrs", "fk5", "fk4", "galactic")  # frames that the WCS of a FITS file can have
_MAX_MASK_PIXELS = 4_000_000  # larger regions are assumed to cover a pixel


def check_region(region: Region, source: str) -> None:
    """Check that a region is a finite region of the sky, and not inverted.

    Parameters
    ----------
    region : Region
        The region, as parsed.
    source : str
        The DS9 string or the file that it comes from, for messages.

    Raises
    ------
    FieldError
        If gammapy would ignore or invert the region, or cannot use it.
    """
    from regions import SkyRegion

    if not isinstance(region, SkyRegion):
        raise FieldError(
            f"{source!r} is a pixel region, not a sky region",
            "expected a frame such as icrs or galactic",
        )
    if not region.meta.get("include", True):
        raise FieldError(
            f"{source!r} has a minus sign, which selects everything outside the region",
            "remove the minus sign",
        )
    if not all(_is_finite(getattr(region, name)) for name in region._params or ()):
        raise FieldError(
            f"{source!r} has a coordinate or size that is not finite", "expected finite numbers"
        )


def check_frame(region: Region, source: str) -> None:
    """Check that a map can be created in the frame of a region, as gammapy does for spectra.

    Exclusions and other masks do not need this check: they are computed on the pixels of another
    map.

    Parameters
    ----------
    region : Region
        The region.
    source : str
        The DS9 string or the file that it comes from, for messages.

    Raises
    ------
    FieldError
        If the region, or a part of a compound region, is in a frame that FITS files do not have.
    """
    for frame in _frames(region):
        if frame not in FRAMES:
            raise FieldError(
                f"{source!r} is in the frame {frame}", f"expected one of {', '.join(FRAMES)}"
            )


def _frames(region: Region) -> Iterator[str]:
    """Yield the names of the frames of a region and of its parts, as in astropy."""
    for name in region._params or ():
        parameter = getattr(region, name)
        if hasattr(parameter, "_params"):  # a part of a compound region
            yield from _frames(parameter)
        elif hasattr(parameter, "frame"):
            yield str(parameter.frame.name)


def check_area(region: Region, source: str) -> None:
    """Check that a region has an area.

    Parameters
    ----------
    region : Region
        The region.
    source : str
        The DS9 string or the file that it comes from, for messages.

    Raises
    ------
    FieldError
        If the region is a point, a line or a text, or a polygon with fewer than three vertices.
    """
    vertices = getattr(region, "vertices", None)
    is_line = vertices is not None and len({(v.spherical.lon.deg, v.spherical.lat.deg)
                                            for v in vertices}) < 3  # fmt: skip
    if is_line or type(region).__name__ in _NO_AREA:
        raise FieldError(
            f"{source!r} has no area, so it covers no pixel",
            "expected a region with an area, such as 'icrs; circle(83.63, 22.14, 0.2)'",
        )


def check_coverage(regions: Regions, wcs: WCS) -> None:
    """Check that each region covers the centre of a pixel, on the map or beyond its edges.

    A region outside the map is not a problem: lists of sources may cover the whole sky.

    Parameters
    ----------
    regions : Regions
        The regions; mask maps are skipped.
    wcs : WCS
        The pixel grid of the map.

    Raises
    ------
    FieldError
        If a region has no area, or contains no pixel centre, so that it would have no effect.
    """
    for source, region in regions.build_by_source():
        check_area(region, source)
        if not _covers_pixel(region, wcs):
            size = np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix)))
            raise FieldError(
                f"{source!r} covers no pixel: it is smaller than the pixels of {size:.3g} deg",
                "expected a larger region, or a map with smaller pixels (bin_size)",
            )


def _covers_pixel(region: Any, wcs: WCS) -> bool:
    """Return whether a region covers a pixel centre, on the map or beyond its edges."""
    if _is_large_circle(region, wcs):
        return True
    try:
        pixel_region = region.to_pixel(wcs)
        box = pixel_region.bounding_box
        if box.shape[0] * box.shape[1] > _MAX_MASK_PIXELS:
            return True
        return bool(pixel_region.to_mask(mode="center").data.any())
    except (ValueError, TypeError, AttributeError, NotImplementedError):
        return True  # outside the projection, or a combination of regions


def _is_large_circle(region: Any, wcs: WCS) -> bool:
    """Return whether a region is a circle with a radius of at least two pixels.

    A circle covers a pixel centre if its radius is larger than half a diagonal, 0.71 pixels; the
    rest is a margin for the distortion of the projection.
    """
    if type(region).__name__ != "CircleSkyRegion":
        return False
    radius = region.radius.to_value("deg")
    return bool(radius >= 2 * np.max(np.abs(wcs.pixel_scale_matrix).sum(axis=0)))


def _is_finite(parameter: Any) -> bool:
    """Return whether a parameter of a region is finite: a number, angle, position or region."""
    if hasattr(parameter, "spherical"):
        spherical = parameter.spherical
        return bool(np.isfinite(spherical.lon.deg).all() and np.isfinite(spherical.lat.deg).all())
    if hasattr(parameter, "_params"):
        return all(_is_finite(getattr(parameter, name)) for name in parameter._params or ())
    value = getattr(parameter, "value", parameter)
    return not isinstance(value, (float, np.ndarray, np.floating)) or bool(np.isfinite(value).all())
