"""Maps with larger pixels for TS maps, and their interpolation to the original pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gammapy.datasets import MapDataset
    from gammapy.estimators import FluxMaps

Margins = tuple[int, int]


def kernel_margins(geom: Any, kernel_shapes: Sequence[tuple[int, ...]]) -> Margins:
    """Return the margins that gammapy adds to a map before it combines pixels.

    Parameters
    ----------
    geom : gammapy.maps.WcsGeom
        Geometry of the map.
    kernel_shapes : sequence of tuple of int
        Height and width of the kernels of the datasets in pixels.

    Returns
    -------
    tuple of int
        Pixels above and below, left and right of the map: at least half a kernel, such that the
        size of the map is a multiple of 8.
    """
    from gammapy.utils.array import shape_2N, symmetric_crop_pad_width

    shape = geom.to_image().data_shape
    margins = [
        symmetric_crop_pad_width(shape, shape_2N(tuple(np.add(shape, 2 * (np.array(size) // 2)))))
        for size in kernel_shapes
    ]
    rows, columns = np.max([pair[0] for pair in margins], axis=0)
    return int(rows), int(columns)


def downsample(dataset: MapDataset, factor: int, margins: Margins) -> MapDataset:
    """Return a copy of a dataset with margins and larger pixels, and the same models.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        The dataset.
    factor : int
        Number of pixels along each axis that are combined.
    margins : tuple of int
        Pixels that are added on both sides; see `kernel_margins`.

    Returns
    -------
    gammapy.datasets.MapDataset
        The copy.
    """
    padded = dataset.pad(margins, name=dataset.name)
    coarse = padded.downsample(factor, name=dataset.name)
    coarse.models = dataset.models
    return coarse


def upsample(maps: FluxMaps, factor: int, margins: Margins) -> FluxMaps:
    """Interpolate maps linearly to smaller pixels, and remove the margins.

    Parameters
    ----------
    maps : gammapy.estimators.FluxMaps
        The maps of a dataset that `downsample` has returned.
    factor : int
        Number of pixels along each axis that were combined.
    margins : tuple of int
        The margins in pixels after the interpolation.

    Returns
    -------
    gammapy.estimators.FluxMaps
        The maps, on the pixels of the original dataset.
    """
    from gammapy.estimators import FluxMaps

    data = {}
    for name in maps.available_quantities:
        sky_map = getattr(maps, name)
        is_bool = sky_map.data.dtype == bool
        order = 0 if name in ("niter", "success") else 1  # as in gammapy
        fine = sky_map.copy(data=sky_map.data.astype(float)) if is_bool else sky_map
        fine = fine.upsample(factor=factor, preserve_counts=False, order=order)
        data[name] = fine.crop(crop_width=margins)
        if is_bool:
            data[name].data = data[name].data > 0
    return FluxMaps(data, maps.reference_model, maps.meta, maps.gti)
