"""Mask maps in FITS files: reading, checks, and evaluation on the pixels of another map."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyred.errors import FieldError
from skyred.fields.options import Location
from skyred.inspection.file_checks import check_fits_file

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom, WcsNDMap
    from numpy.typing import NDArray


def outside_mask(mask: WcsNDMap, geom: WcsGeom) -> NDArray[np.bool_]:
    """Return the pixels of a map that a mask map does not exclude.

    Parameters
    ----------
    mask : WcsNDMap
        The mask map, False where excluded, with or without an energy axis.
    geom : WcsGeom
        The geometry of the map, with or without an energy axis.

    Returns
    -------
    numpy.ndarray of bool
        True where not excluded, and outside the area of the mask map; the shape of the map.
        A mask with an energy axis is evaluated at the centres of the energy bins, as in gammapy. If
        the map has a single energy bin, or no energy axis, a pixel is excluded if it is excluded at
        any energy.
    """
    n_bins = geom.data_shape[0] if not geom.is_image else 0
    if not mask.geom.is_image and n_bins < 2:
        mask = mask.reduce_over_axes(np.logical_and)
    target = geom.to_image() if mask.geom.is_image else geom
    data = mask.interp_to_geom(target, fill_value=1).data.astype(bool)
    return np.broadcast_to(data, geom.data_shape)


def read_mask(location: Location) -> WcsNDMap:
    """Read a mask map, or return it from the cache if the file has not changed.

    Parameters
    ----------
    location : Location
        The FITS file.

    Returns
    -------
    WcsNDMap
        The mask of booleans, with at most an energy axis.

    Raises
    ------
    FieldError
        If the mask has values that are not finite, excludes nothing, or has an axis other than
        energy.
    FileError
        If the file is damaged, or contains code that gammapy would run.
    """
    status = location.path().stat()
    return _read_mask(location.path(), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4)
def _read_mask(path: Path, mtime_ns: int, size: int) -> WcsNDMap:
    from gammapy.maps import Map

    check_fits_file(path)
    mask = Map.read(path)
    if not mask.geom.is_image and mask.geom.axes.names != ["energy"]:
        raise FieldError(
            f"{str(path)!r} is a mask map with the axes {', '.join(mask.geom.axes.names)}",
            "expected an image, or a map with an axis of reconstructed energy ('energy')",
        )
    if not np.isfinite(mask.data).all():
        raise FieldError(
            f"{str(path)!r} is a mask map with values that are not finite",
            "expected 0 where excluded, and 1 elsewhere",
        )
    mask.data = mask.data.astype(bool)
    if mask.data.all():
        raise FieldError(
            f"{str(path)!r} is a mask map without a pixel of value 0, so it excludes nothing",
            "expected 0 where excluded, and 1 elsewhere",
        )
    return mask
