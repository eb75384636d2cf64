"""Protection of the maps of the full geometry, from which the datasets of all runs are cut out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

MAPS = ("counts", "exposure", "background", "mask_safe")
IRFS = ("psf", "edisp")


def protect_maps(target: Any) -> None:
    """Make the maps of a dataset read-only.

    Parameters
    ----------
    target : gammapy.datasets.Dataset
        The dataset.
    """
    for _, array in _iter_arrays(target):
        array.flags.writeable = False


def shares_maps(dataset: Any, target: Any) -> bool:
    """Return whether makers that fill a dataset in place would fill another one too.

    Parameters
    ----------
    dataset, target : gammapy.datasets.Dataset
        The datasets.

    Returns
    -------
    bool
        Whether they are the same, or one of their maps is.
    """
    if dataset is target:
        return True
    arrays = dict(_iter_arrays(target))
    return any(
        name in arrays and np.may_share_memory(array, arrays[name])
        for name, array in _iter_arrays(dataset)
    )


def _iter_arrays(dataset: Any) -> Iterator[tuple[str, Any]]:
    maps = {name: getattr(dataset, name, None) for name in MAPS}
    for name in IRFS:
        irf = getattr(dataset, name, None)
        maps |= {name + part: getattr(irf, part, None) for part in ("_irf_map", "exposure_map")}
    for name, part in maps.items():
        if isinstance(array := getattr(part, "data", None), np.ndarray):
            yield name, array
