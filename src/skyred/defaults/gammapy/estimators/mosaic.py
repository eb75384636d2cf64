"""The mosaic: map datasets on one pixel grid, summed to one image of counts and predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import ModelError

if TYPE_CHECKING:
    from gammapy.datasets import Datasets, MapDataset
    from gammapy.maps import WcsGeom, WcsNDMap


def choose(datasets: Datasets, patterns: Sequence[str]) -> list[MapDataset]:
    """Give the map datasets whose names match one of the patterns; all if there are none.

    Raises
    ------
    ModelError
        If none is left, or they are not on one pixel grid.
    """
    chosen = [
        dataset
        for dataset in datasets
        if _is_map(dataset)
        and (not patterns or any(fnmatchcase(dataset.name, pattern) for pattern in patterns))
    ]
    if not chosen:
        raise ModelError(
            f"there is no map dataset called {' or '.join(patterns) or 'anything'}; "
            f"there are {', '.join(datasets.names)}"
        )
    for other in chosen[1:]:
        if _grid(other) != _grid(chosen[0]):
            raise ModelError(
                f"{chosen[0].name} and {other.name} are not on one pixel grid; "
                "choose datasets that are, by name: datasets: [...]"
            )
    return chosen


def _is_map(dataset: Any) -> bool:
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    return geom is not None and not geom.is_region


def _grid(dataset: MapDataset) -> tuple[Any, ...]:
    geom = dataset.counts.geom
    wcs = geom.wcs.wcs
    edges = geom.axes["energy"].edges.to_value("TeV")
    return (*wcs.ctype, *np.round(wcs.crval, 9), *np.round(wcs.cdelt, 9), *np.round(edges, 9))


def union_geom(geoms: Sequence[WcsGeom]) -> WcsGeom:
    """Give the smallest geometry that holds geometries of one pixel grid."""
    from gammapy.maps import WcsGeom

    first = geoms[0]
    reference = first.wcs.wcs.crpix
    # cutouts share all of the projection but the reference pixel
    corners = np.array([np.round(reference - geom.wcs.wcs.crpix) for geom in geoms], dtype=int)
    sizes = np.array([geom.data_shape[:0:-1] for geom in geoms])
    low, high = corners.min(axis=0), (corners + sizes).max(axis=0)
    wcs = first.wcs.deepcopy()
    wcs.wcs.crpix = reference - low
    wcs.array_shape = None
    return WcsGeom(wcs, npix=tuple(int(size) for size in high - low), axes=first.axes)


def mosaic(datasets: Sequence[MapDataset], predictions: Iterable[WcsNDMap]) -> MapDataset:
    """Sum counts and predictions inside the masks, as the counts and background of one dataset."""
    from gammapy.datasets import MapDataset
    from gammapy.maps import Map

    geom = union_geom([dataset.counts.geom for dataset in datasets])
    counts, background = Map.from_geom(geom), Map.from_geom(geom)
    mask = Map.from_geom(geom, data=np.zeros(geom.data_shape, dtype=bool))
    for dataset, predicted in zip(datasets, predictions, strict=True):
        inside = dataset.mask if dataset.mask is not None else _everywhere(dataset)
        counts.stack(dataset.counts, weights=inside)
        background.stack(predicted, weights=inside)
        mask.stack(inside)
    return MapDataset(counts=counts, background=background, mask_safe=mask, name="mosaic")


def reco_exposure(datasets: Sequence[MapDataset], geom: WcsGeom, spectral: Any) -> WcsNDMap:
    """Sum exposure times the flux of a spectral shape, in reconstructed energy: expected counts."""
    from gammapy.estimators.utils import estimate_exposure_reco_energy
    from gammapy.maps import Map

    total = Map.from_geom(geom)
    for dataset in datasets:
        exposure = estimate_exposure_reco_energy(dataset, spectral, normalize=False)
        total.stack(exposure, weights=dataset.mask_image)
    return total


def _everywhere(dataset: MapDataset) -> WcsNDMap:
    from gammapy.maps import Map

    return Map.from_geom(dataset.counts.geom, data=np.ones(dataset.counts.geom.data_shape, bool))
