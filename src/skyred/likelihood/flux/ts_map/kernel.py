"""Kernel of a TS map: the distribution of a source's counts over pixels, by energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import ModelError
from skyred.likelihood.response import Instrument

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.datasets import MapDataset
    from gammapy.maps import WcsGeom
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CONTAINMENT = 0.99  # fraction of the counts in a kernel of the default width


def source_kernel(dataset: MapDataset, model: SkyModel, width: u.Quantity | None) -> Array:
    """Return the counts of a source in the middle of a map, normalised in each energy bin.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        Dataset with the IRFs; those in the middle of the map are used everywhere, as in gammapy.
    model : gammapy.modeling.models.SkyModel
        The source.
    width : Quantity, optional
        Width of the kernel, rounded up to an odd number of pixels; by default the width that
        contains 99 % of the counts at each energy, at most that of the map.

    Returns
    -------
    array
        The kernel, shape (reconstructed energies, n, n), n odd; zero at energies without any
        counts.

    Raises
    ------
    ModelError
        If the exposure is zero everywhere.
    """
    if width is None:
        width = _width(_counts(dataset, model, None), dataset.exposure.geom)
    counts = _counts(dataset, model, width)
    total = counts.sum(axis=(1, 2), keepdims=True)
    return counts / np.where(total > 0, total, 1)


def _counts(dataset: MapDataset, model: SkyModel, width: u.Quantity | None) -> Array:
    """Return the counts as in `TSMapEstimator.estimate_kernel`, with the kernel of `Instrument`."""
    from gammapy.datasets.evaluator import MapEvaluator
    from gammapy.maps import Map

    radius = None if width is None else width / 2
    geom = dataset.exposure.geom.to_odd_npix(max_radius=radius)
    model = model.copy()
    model.spatial_model.position = geom.center_skydir
    exposure = Map.from_geom(geom, unit=dataset.exposure.unit)
    exposure.data[...] = _exposure(dataset, geom.center_skydir)
    evaluator = MapEvaluator(model=model)
    psf, mask = Instrument(dataset).psf, dataset.mask_image
    evaluator.update(exposure, psf, dataset.edisp, dataset.counts.geom, mask)
    counts = np.nan_to_num(evaluator.compute_npred().data.astype(float))
    return np.asarray(np.maximum(counts, 0))  # convolutions leave rounding errors below zero


def _exposure(dataset: MapDataset, centre: Any) -> Array:
    from gammapy.datasets.utils import get_nearest_valid_exposure_position

    if np.any(dataset.exposure.data > 0):
        position = get_nearest_valid_exposure_position(dataset.exposure, centre)
        exposure = dataset.exposure.to_region_nd_map(position).data
        if np.any(exposure):
            return np.asarray(exposure, dtype=float)
    raise ModelError(f"the exposure of {dataset.name} is zero everywhere; remove the dataset")


def _width(counts: Array, geom: WcsGeom) -> u.Quantity:
    """Return the width of the smallest box that contains enough counts at each energy."""
    middle = counts.shape[1] // 2
    total = counts.sum(axis=(1, 2))
    for half in range(middle + 1):
        box = slice(middle - half, middle + half + 1)
        contained = counts[:, box, box].sum(axis=(1, 2))
        if np.all(contained >= CONTAINMENT * total):
            break
    # slightly smaller, so that it is not rounded up to the next odd number of pixels
    return (2 * half + 1) * (1 - 1e-9) * geom.pixel_scales.max()
