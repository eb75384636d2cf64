"""Significance of counts within a correlation radius, in maps of residuals.

The results are those of gammapy's `ExcessMapEstimator`, which also computes fluxes and errors, and
spends most of the time on the geometries of intermediate maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.maps import WcsNDMap
    from numpy.typing import NDArray

    from skyred.likelihood.mosaic import Mosaic

    Array = NDArray[np.float64]


def estimate_sqrt_ts(mosaic: Mosaic, radius: u.Quantity, by_energy: bool) -> WcsNDMap:
    """Estimate the significance of the residuals within the correlation radius.

    Parameters
    ----------
    mosaic : Mosaic
        The sum of the datasets; if they have off counts, gammapy's estimator is used.
    radius : astropy.units.Quantity
        The correlation radius.
    by_energy : bool
        Whether each energy bin has its own significance; otherwise there is one for all of them.

    Returns
    -------
    WcsNDMap
        The significance in sigma; NaN outside the mask.
    """
    from gammapy.estimators import ExcessMapEstimator
    from gammapy.maps import Map

    total, geom = mosaic.total, mosaic.geom
    if total.stat_type != "cash":
        estimator = ExcessMapEstimator(
            radius, selection_optional=[], sum_over_energy_groups=not by_energy
        )
        return mosaic.estimate_excess(estimator, None).sqrt_ts
    mask = total.mask_safe.data
    counts, background = (
        np.where(mask, cube.data, 0).astype(float) for cube in (total.counts, mosaic.npred)
    )
    if not by_energy:
        geom = geom.squash("energy")
        counts, background = (cube.sum(axis=0)[None] for cube in (counts, background))
        mask = mask.any(axis=0)[None]
    sqrt_ts = _correlated_sqrt_ts(counts, background, _disk_kernel(geom, radius))
    return Map.from_geom(geom, data=np.where(mask, sqrt_ts, np.nan))


def _disk_kernel(geom: Any, radius: u.Quantity) -> Array:
    """Return an image that is 1 within the radius and 0 outside, shape (n, n)."""
    from astropy.convolution import Tophat2DKernel

    pixel_size = np.mean(np.abs(geom.wcs.wcs.cdelt))
    kernel = Tophat2DKernel(radius.to_value("deg") / pixel_size).array
    return np.asarray(kernel / kernel.max())


def _correlated_sqrt_ts(counts: Array, background: Array, kernel: Array) -> Array:
    from gammapy.stats import CashCountsStatistic

    # rounded, because the FFT adds numerical noise
    correlated_counts = np.rint(_convolve(counts, kernel))
    correlated_background = _convolve(np.maximum(background, 0), kernel)
    with np.errstate(divide="ignore", invalid="ignore"):
        sqrt_ts = CashCountsStatistic(correlated_counts, correlated_background).sqrt_ts
    return np.asarray(sqrt_ts)


def _convolve(images: Array, kernel: Array) -> NDArray[np.float32]:
    """Convolve images as `WcsNDMap.convolve` does."""
    from scipy.signal import convolve

    convolved = [convolve(image, kernel, method="fft", mode="same") for image in images]
    return np.array(convolved, dtype=np.float32)
