"""Protection of the maps of the full geometry, from which the datasets of all runs are cut out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

MAPS = ("counts", "exposure", "background", "mask_safe")
IRFS = ("psf", "edisp")


def protect_maps(target: Any) -> dict[str, Any]:
    """Make the maps of a dataset read-only.

    Parameters
    ----------
    target : gammapy.datasets.Dataset
        The dataset.

    Returns
    -------
    dict of str to numpy.ndarray
        The arrays of its maps, by name.
    """
    arrays = dict(_iter_arrays(target))
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def find_replaced(target: Any, arrays: Mapping[str, Any]) -> str:
    """Return the first map of a dataset that was replaced.

    Parameters
    ----------
    target : gammapy.datasets.Dataset
        The dataset.
    arrays : mapping of str to numpy.ndarray
        The arrays of its maps before, from `protect_maps`.

    Returns
    -------
    str
        The name; "" if all maps are the same.
    """
    current = dict(_iter_arrays(target))
    return next((name for name in arrays if current.get(name) is not arrays[name]), "")


def shares_counts(dataset: Any, target: Any) -> bool:
    """Return whether a dataset and another one have the same counts.

    Parameters
    ----------
    dataset, target : gammapy.datasets.Dataset
        The datasets.

    Returns
    -------
    bool
        Whether filling the counts of the first one would fill the second one too.
    """
    counts, target_counts = (getattr(item, "counts", None) for item in (dataset, target))
    return dataset is target or (
        target_counts is not None
        and counts is not None
        and np.may_share_memory(counts.data, target_counts.data)
    )


def _iter_arrays(dataset: Any) -> Iterator[tuple[str, Any]]:
    maps = {name: getattr(dataset, name, None) for name in MAPS}
    for name in IRFS:
        irf = getattr(dataset, name, None)
        maps |= {name + part: getattr(irf, part, None) for part in ("_irf_map", "exposure_map")}
    for name, part in maps.items():
        if isinstance(array := getattr(part, "data", None), np.ndarray):
            yield name, array
