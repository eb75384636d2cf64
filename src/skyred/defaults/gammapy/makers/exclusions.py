"""Exclusions: where sources are, as regions and mask maps, on the geometry of a dataset."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyred.errors import FieldError, FileError, Problem
from skyred.fields import Location, Regions
from skyred.inspection.map_headers import look_at_fits

if TYPE_CHECKING:
    from gammapy.maps import WcsGeom, WcsNDMap

EXCLUDE = (
    "Where sources are: DS9 regions, .reg files, or FITS mask maps (0 where excluded; "
    "what a mask map does not cover is not excluded)."
)


def exclusion_problems(exclude: Regions) -> Iterable[Problem]:
    """Name an exclusion that is none: gammapy takes an unreadable one for none at all."""
    try:
        exclude.build()
        for mask in exclude.masks:
            _mask_map(mask)
    except FieldError as error:
        yield error.problem.below("exclude")
    except (OSError, ValueError, FileError) as error:
        yield Problem(("exclude",), f"cannot be read: {error}", "expected regions or a map")


def allowed(exclude: Regions, geom: WcsGeom) -> WcsNDMap:
    """Give the map that is True where no source is, on the geometry of a dataset."""
    from gammapy.maps import Map

    image = geom.to_image()
    inside = np.ones(image.data_shape, dtype=bool)
    if excluded := exclude.build():
        inside &= image.region_mask(excluded, inside=False).data
    for place in exclude.masks:
        # what a mask map does not cover is not excluded
        covered = _mask_map(place).interp_to_geom(image, fill_value=1)
        inside &= covered.data.astype(bool)
    return Map.from_geom(geom, data=np.broadcast_to(inside, geom.data_shape).copy())


def _mask_map(place: Location) -> WcsNDMap:
    """Read a mask map, or take it as it was read for another run if the file is the same still."""
    state = place.path().stat()
    return _read_mask(place.path(), state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=4)
def _read_mask(path: Path, changed: int, size: int) -> WcsNDMap:
    from gammapy.maps import Map

    look_at_fits(path)
    mask = Map.read(path)
    if not mask.geom.is_image:
        mask = mask.reduce_over_axes()
    mask.data = mask.data.astype(bool)
    return mask
