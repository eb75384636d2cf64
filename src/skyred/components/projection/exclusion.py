"""Exclusion masks of cutouts, from that of the whole map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skyred.components.projection.cutouts import describe_pixels
from skyred.components.projection.grid_cache import GRIDS, Recent

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom

    from skyred.fields import Regions

_MASKS: Recent[NDArray[np.bool_]] = Recent()


def mask_outside(regions: Regions, geom: WcsGeom) -> NDArray[np.bool_]:
    """Return whether the pixels of a map are outside exclusion regions.

    Parameters
    ----------
    regions : Regions
        The regions. Files are read each time, because their content may change.
    geom : gammapy.maps.WcsGeom
        The geometry of the map.

    Returns
    -------
    numpy.ndarray of bool
        The mask, which can be broadcast to the shape of the map.
    """
    parent = None if regions.files else GRIDS.find_parent(geom)
    if parent is None:
        return np.asarray(regions.outside(geom).data)
    image, slices = parent
    crpix = tuple(image.geom.wcs.wcs.crpix)
    key = (regions, describe_pixels(image.geom), crpix, image.geom.data_shape)
    mask = _MASKS.find(key)
    if mask is None:
        mask = np.asarray(regions.outside(image.geom).data)
        _MASKS.add(key, mask, mask.size)
    return np.asarray(mask[slices])
