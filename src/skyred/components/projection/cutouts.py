"""Cutouts of empty map datasets, and the pixels of a map that a cutout covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.wcs.utils import wcs_to_celestial_frame

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity
    from astropy.wcs import WCS
    from gammapy.datasets import MapDataset
    from gammapy.maps import WcsGeom, WcsNDMap

SHIFT_TOLERANCE = 1e-6  # pixels, between the pixels of a map and of a cutout
N_DIGITS = 10  # of angles in deg
MIN_IRF_PIXELS = 3  # as in gammapy, so that IRF maps can be interpolated
Slices = tuple[slice, slice]


def find_slices(parent: WcsGeom, part: WcsGeom) -> Slices | None:
    """Return the pixels of a map that a cutout covers.

    Parameters
    ----------
    parent, part : gammapy.maps.WcsGeom
        The geometries of the map and of the cutout; their energy axes are ignored.

    Returns
    -------
    tuple of slice or None
        The slices in latitude and longitude; None if the cutout has other pixels, or is not
        inside the map.
    """
    if not (parent.is_regular and part.is_regular and _have_same_pixels(parent, part)):
        return None
    shift = parent.wcs.wcs.crpix - part.wcs.wcs.crpix
    start = np.round(shift).astype(int)
    size = np.array(part.data_shape[:-3:-1])
    if (
        np.any(np.abs(shift - start) > SHIFT_TOLERANCE)
        or np.any(start < 0)
        or np.any(start + size > parent.data_shape[:-3:-1])
    ):
        return None
    lon, lat = (slice(first, first + length) for first, length in zip(start, size, strict=True))
    return lat, lon


def describe_pixels(geom: WcsGeom) -> tuple[Any, ...]:
    """Return the properties of a WCS that all cutouts of a map share.

    Parameters
    ----------
    geom : gammapy.maps.WcsGeom
        The geometry.

    Returns
    -------
    tuple
        The properties, which can be compared and hashed.
    """
    wcs = geom.wcs.wcs
    return (
        geom.frame,
        tuple(wcs.ctype),
        _round(wcs.crval),
        _round(wcs.cdelt),
        _round(wcs.get_pc().ravel()),
        _round([wcs.lonpole]),
        tuple(wcs.get_pv()),
    )


def _round(values: Any) -> tuple[float, ...]:
    """Round angles, because pickled WCS and those in files have 14 digits."""
    return tuple(round(float(value), N_DIGITS) for value in values)


def _have_same_pixels(first: WcsGeom, second: WcsGeom) -> bool:
    return describe_pixels(first) == describe_pixels(second)


def cut_out(dataset: MapDataset, position: SkyCoord, width: Quantity, name: str) -> MapDataset:
    """Return a cutout of an empty dataset, as gammapy's `MapDataset.cutout`.

    The pixels of the cutout are determined once for all maps with the same pixels.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        The dataset, without good time intervals, models and fit mask.
    position : astropy.coordinates.SkyCoord
        The centre of the cutout.
    width : astropy.units.Quantity
        Its width, an angle.
    name : str
        The name of the cutout.

    Returns
    -------
    gammapy.datasets.MapDataset
        The cutout.

    Raises
    ------
    astropy.nddata.utils.NoOverlapError
        If the map does not overlap with the cutout.
    """
    center = position.transform_to(wcs_to_celestial_frame(dataset.counts.geom.wcs))
    images: dict[Any, tuple[WcsGeom, Slices]] = {}
    geoms: dict[Any, WcsGeom] = {}  # maps on the same pixels and axes share their geometry

    def cut(parent: WcsNDMap | None, min_pixels: int = 1) -> WcsNDMap | None:
        if parent is None:
            return None
        key = (describe_pixels(parent.geom), parent.geom.data_shape[-2:], min_pixels)
        if key not in images:
            pixel = _find_pixel(parent.geom.wcs, center)
            image = parent.geom.to_image().cutout(pixel, width, min_npix=min_pixels)
            slices = find_slices(parent.geom, image)
            if slices is None:
                raise ValueError("the cutout does not have the pixels of the map")
            images[key] = image, slices
        image, slices = images[key]
        geom_key = (*key, *map(id, parent.geom.axes))
        if geom_key not in geoms:
            geoms[geom_key] = image.to_cube(parent.geom.axes)
        return type(parent)(
            geoms[geom_key],
            parent.data[(..., *slices)].copy(),
            unit=parent.unit,
            meta=dict(parent.meta or {}),
        )

    def cut_irf(irf: Any) -> Any:
        if irf is None:
            return None
        maps = (cut(part, MIN_IRF_PIXELS) for part in (irf._irf_map, irf.exposure_map))
        return type(irf)(*maps)

    return type(dataset)(
        name=name,
        counts=cut(dataset.counts),
        exposure=cut(dataset.exposure),
        background=cut(dataset.background),
        psf=cut_irf(dataset.psf),
        edisp=cut_irf(dataset.edisp),
        mask_safe=cut(dataset.mask_safe),
        gti=dataset.gti,
        meta_table=dataset.meta_table,
    )


def _find_pixel(wcs: WCS, position: SkyCoord) -> tuple[float, float]:
    """Return the pixel coordinates of a position in the frame of a WCS.

    They are the same bits as from `astropy.wcs.utils.skycoord_to_pixel`, which transforms each
    position: cutouts start at another pixel if the coordinates of a pixel edge are rounded
    otherwise.
    """
    angles = position.spherical.lon, position.spherical.lat
    degrees = (angle.to_value(unit) for angle, unit in zip(angles, wcs.wcs.cunit, strict=True))
    x, y = wcs.all_world2pix(*degrees, 0)
    return float(x), float(y)
