"""Counts maps from the events of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gammapy.maps import WcsGeom, WcsNDMap

if TYPE_CHECKING:
    from gammapy.maps import MapCoord

MAX_FLOAT32 = 2**24  # the integers up to this one are exact in float32


def count_on_map(events: Any, geom: Any) -> WcsNDMap | None:
    """Count events in the pixels of a map, as gammapy's `Map.fill_events`.

    Parameters
    ----------
    events : gammapy.data.EventList
        The events.
    geom : gammapy.maps.Geom
        The geometry.

    Returns
    -------
    gammapy.maps.WcsNDMap or None
        The counts; None if gammapy must count the events, because they were not read from
        inspected bytes, or the geometry is not a map with the axis ``energy`` only.
    """
    find_coordinates = getattr(events, "map_coord_in_range", None)
    is_simple = isinstance(geom, WcsGeom) and geom.is_regular and geom.axes.names == ["energy"]
    if not is_simple or find_coordinates is None:
        return None
    coordinates: MapCoord | None = find_coordinates(geom)
    if coordinates is None:
        return None
    indices = np.stack(geom.coord_to_idx(coordinates)[::-1])
    contained = indices[:, (indices >= 0).all(axis=0)]
    counts = WcsNDMap(geom)
    pixels = np.ravel_multi_index(tuple(contained), counts.data.shape)
    if len(pixels) < MAX_FLOAT32:
        np.add.at(counts.data.reshape(-1), pixels, 1)
    else:
        counts.data += np.bincount(pixels, minlength=counts.data.size).reshape(counts.data.shape)
    return counts
