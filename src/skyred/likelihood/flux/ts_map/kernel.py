"""Kernel of a TS map: the distribution of the counts of a source over pixels, by energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import ModelError
from skyred.likelihood.response import DatasetIrfs

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.datasets import MapDataset
    from gammapy.maps import WcsGeom
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CONTAINMENT = 0.99  # fraction of the counts in a kernel of the default width


def source_kernel(dataset: MapDataset, model: SkyModel, width: u.Quantity | None) -> Array:
    """Return the distribution of the counts of a source, normalised in each energy bin.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        Dataset with the IRFs. As in gammapy, the IRFs at the centre of the map are used for all
        pixels.
    model : gammapy.modeling.models.SkyModel
        The source.
    width : Quantity or None
        Width of the kernel, rounded up to an odd number of pixels; by default the width that
        contains 99 % of the counts at each energy, at most that of the map.

    Returns
    -------
    array
        The kernel, shape (reconstructed energies, n, n), n odd; zero at energies without predicted
        counts.

    Raises
    ------
    ModelError
        If the exposure is zero everywhere.
    """
    if width is None:
        width = _find_width(_predict_counts(dataset, model, None), dataset.exposure.geom)
    counts = _predict_counts(dataset, model, width)
    total = counts.sum(axis=(1, 2), keepdims=True)
    return counts / np.where(total > 0, total, 1)


def _predict_counts(dataset: MapDataset, model: SkyModel, width: u.Quantity | None) -> Array:
    """Predict counts as `TSMapEstimator.estimate_kernel`, but with the PSF of `DatasetIrfs`."""
    from gammapy.datasets.evaluator import MapEvaluator
    from gammapy.maps import Map

    radius = None if width is None else width / 2
    geom = dataset.exposure.geom.to_odd_npix(max_radius=radius)
    model = model.copy()
    model.spatial_model.position = geom.center_skydir
    exposure = Map.from_geom(geom, unit=dataset.exposure.unit)
    exposure.data[...] = _get_exposure(dataset, geom.center_skydir)
    evaluator = MapEvaluator(model=model)
    psf, mask = DatasetIrfs(dataset).psf, dataset.mask_image
    evaluator.update(exposure, psf, dataset.edisp, dataset.counts.geom, mask)
    counts = np.nan_to_num(evaluator.compute_npred().data.astype(float))
    return np.asarray(np.maximum(counts, 0))  # the rounding errors of a convolution may be negative


def _get_exposure(dataset: MapDataset, centre: Any) -> Array:
    from gammapy.datasets.utils import get_nearest_valid_exposure_position

    if np.any(dataset.exposure.data > 0):
        position = get_nearest_valid_exposure_position(dataset.exposure, centre)
        exposure = dataset.exposure.to_region_nd_map(position).data
        if np.any(exposure):
            return np.asarray(exposure, dtype=float)
    raise ModelError(f"the exposure of {dataset.name} is zero everywhere; remove the dataset")


def _find_width(counts: Array, geom: WcsGeom) -> u.Quantity:
    """Return the smallest width with the fraction `CONTAINMENT` of the counts at each energy."""
    centre = counts.shape[1] // 2
    total = counts.sum(axis=(1, 2))
    for radius in range(centre + 1):
        box = slice(centre - radius, centre + radius + 1)
        contained = counts[:, box, box].sum(axis=(1, 2))
        if np.all(contained >= CONTAINMENT * total):
            break
    # slightly smaller, so that the width is not rounded up to the next odd number of pixels
    return (2 * radius + 1) * (1 - 1e-9) * geom.pixel_scales.max()
