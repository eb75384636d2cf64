"""Empty datasets on geometries that are computed once per process."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from skyred.components.projection.grid_cache import Recent

MAPS = ("counts", "exposure", "background", "mask_safe")
IRFS = ("psf", "edisp")
_TEMPLATES: Recent[Any] = Recent()  # without memory for zeros


def create_empty(key: Hashable, create: Callable[[], Any], name: str | None) -> Any:
    """Return an empty dataset; those with the same key share their geometries.

    Parameters
    ----------
    key : hashable
        The key of the geometry.
    create : callable
        Returns an empty dataset.
    name : str or None
        The name of the dataset; a random one if it is None.

    Returns
    -------
    gammapy.datasets.MapDataset or SpectrumDataset
        The dataset, with its own arrays.
    """
    template = _TEMPLATES.find(key)
    if template is None:
        template = _copy(create(), "", _compress)
        _TEMPLATES.add(key, template, 1)
    return _copy(template, name, _expand)


def _compress(data: np.ndarray) -> np.ndarray:
    """Return the same array; one of zeros is a view of a single zero."""
    return data if data.any() else np.broadcast_to(np.zeros((), data.dtype), data.shape)


def _expand(data: np.ndarray) -> np.ndarray:
    """Return a copy of a compressed array."""
    return data.copy() if any(data.strides) else np.zeros(data.shape, data.dtype)


def copy_empty(dataset: Any, name: str | None) -> Any:
    """Return a copy of an empty dataset on the same geometries, which keep what they computed.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset or SpectrumDataset
        The empty dataset, without models and fit mask.
    name : str or None
        The name of the copy; a random one if it is None.

    Returns
    -------
    gammapy.datasets.MapDataset or SpectrumDataset
        The copy, with its own arrays.
    """
    return _copy(dataset, name, np.copy)


def _copy(dataset: Any, name: str | None, convert: Callable[[np.ndarray], np.ndarray]) -> Any:
    from gammapy.data import GTI

    def copy_map(part: Any) -> Any:
        if part is None:
            return None
        return type(part)(part.geom, convert(part.data), unit=part.unit)

    maps = {part: copy_map(getattr(dataset, part)) for part in MAPS}
    for part in IRFS:
        irf = getattr(dataset, part)
        if irf is not None:
            maps[part] = type(irf)(copy_map(irf._irf_map), copy_map(irf.exposure_map))
    gti = GTI(dataset.gti.table.copy(), reference_time=dataset.gti.time_ref)
    return type(dataset)(name=name, gti=gti, **maps)
