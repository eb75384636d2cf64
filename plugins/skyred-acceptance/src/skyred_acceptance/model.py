"""Background rates from counts and exposure, as gammapy's background IRFs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs
import numpy as np
from astropy import units as u

from skyred_acceptance.camera import Array, Camera
from skyred_acceptance.tally import Tally

if TYPE_CHECKING:
    from gammapy.irf import BackgroundIRF

log = logging.getLogger(__name__)

COUNTS_FOR_SHAPE = 25  # in each bin of the field of view, on average
EMPTY = 0.5  # counts assumed in empty bins, because gammapy interpolates logarithms
MIN_EXPOSURE_FRACTION = 0.05  # of the solid angle times livetime of a bin
SAMPLES = 5  # points per axis in each bin of the field of view
ITERATIONS = 6  # each reduces the difference of the counts by a factor of about 10


def rates(camera: Camera, tally: Tally, min_counts: int, description: str) -> Array:
    """Compute the background rate in MeV-1 s-1 sr-1, per livetime, by energy and field of view.

    In an energy bin with `N` counts the rate is ``N / dE`` times a shape over the field of view.
    The shape is the ratio of counts to exposure in this bin and, if there are too few counts, in
    adjacent bins. The rates are then scaled in each energy bin until the integral of gammapy's
    interpolation between bin centres equals the counts.

    Parameters
    ----------
    camera : Camera
        The bins.
    tally : Tally
        The counts and exposure.
    min_counts : int
        Minimum counts in each energy bin.
    description : str
        Description of the runs, for error messages.

    Raises
    ------
    ValueError
        If an energy bin has fewer counts, or bins of the field of view have too little exposure.
    """
    _check_counts(camera, tally, min_counts, description)
    _check_exposure(camera, tally, description)
    counts = _by_energy(tally.counts)
    width = np.diff(camera.energy) * 1e6  # MeV
    rate = np.stack([_shape(tally, index) for index in range(len(counts))])
    rate *= _broadcast(counts / width, rate)
    for _ in range(ITERATIONS):
        rate = rate * _broadcast(counts / _expected_counts(camera, rate, tally.exposure), rate)
    return rate


def response(camera: Camera, rate: Array) -> BackgroundIRF:
    """Return rates as gammapy's `Background2D` or `Background3D`.

    `Background2D` gets one more bin at each end of the offset axis, with constant rates, as in
    `MapDatasetMaker`. Otherwise gammapy would extrapolate logarithms beyond the centres of the
    first and the last bin.
    """
    from gammapy.irf import Background2D, Background3D, FoVAlignment

    axes, unit = camera.axes(), "s-1 MeV-1 sr-1"
    if camera.radial:
        irf = Background2D(axes=axes, data=rate, unit=unit)
        return irf.pad(1, mode="edge", axis_name="offset")
    alignment = FoVAlignment.ALTAZ if camera.altaz else FoVAlignment.RADEC
    return Background3D(axes=axes, data=rate, unit=unit, fov_alignment=alignment)


def _check_counts(camera: Camera, tally: Tally, min_counts: int, description: str) -> None:
    for index, counts in enumerate(_by_energy(tally.counts)):
        if counts < max(min_counts, 1):
            low, high = camera.energy[index], camera.energy[index + 1]
            raise ValueError(
                f"{counts:.0f} counts from {low:.3g} to {high:.3g} TeV in {description} "
                f"({tally.runs} runs), expected at least {max(min_counts, 1)}: use fewer "
                "energy_bins, a narrower energy range, wider zenith_edges or more runs"
            )


def _check_exposure(camera: Camera, tally: Tally, description: str) -> None:
    fraction = tally.exposure / (camera.solid_angle() * tally.livetime)
    if missing := int((fraction < MIN_EXPOSURE_FRACTION).sum()):
        raise ValueError(
            f"{missing} of {fraction.size} bins of the field of view are excluded in (nearly) all "
            f"of {description} ({tally.runs} runs): use fewer offset_bins, model: radial, smaller "
            "regions, wider zenith_edges or more pointings"
        )


def _shape(tally: Tally, index: int) -> Array:
    """Compute the shape over the field of view in an energy bin, normalised by the exposure."""
    low, high, n_bins = index, index + 1, len(tally.counts)
    min_counts = COUNTS_FOR_SHAPE * tally.exposure.size
    while tally.counts[low:high].sum() < min_counts and high - low < n_bins:
        low, high = max(low - 1, 0), min(high + 1, n_bins)
    shape = np.maximum(tally.counts[low:high].sum(axis=0), EMPTY) / tally.exposure
    return np.asarray(shape / (shape * tally.exposure).sum())


def _expected_counts(camera: Camera, rate: Array, exposure: Array) -> Array:
    """Compute the counts by energy that gammapy's interpolation of the rates predicts."""
    irf = response(camera, rate)
    edges = np.asarray(camera.energy)
    nodes = np.sort(np.concatenate([edges, np.sqrt(edges[1:] * edges[:-1])])) * u.TeV
    fov = {axis.name: axis.upsample(SAMPLES).center for axis in camera.fov_axes()}
    grid = np.meshgrid(nodes, *fov.values(), indexing="ij")
    coords = dict(zip(("energy", *fov), grid, strict=True))
    # two halves of each bin, because the slope of gammapy's interpolation changes at the centre
    halves = irf.integrate_log_log(**coords, axis_name="energy").to_value("s-1 sr-1")
    integral = halves[0::2] + halves[1::2]
    weights = _resample(camera, exposure)
    return _by_energy(integral * weights[np.newaxis])


def _resample(camera: Camera, exposure: Array) -> Array:
    """Divide the exposure of each bin of the field of view among its samples."""
    fine_camera = attrs.evolve(camera, bins=camera.bins * SAMPLES)
    bin_solid_angle = camera.solid_angle()
    for axis in range(exposure.ndim):
        exposure = np.repeat(exposure, SAMPLES, axis=axis)
        bin_solid_angle = np.repeat(bin_solid_angle, SAMPLES, axis=axis)
    return exposure * fine_camera.solid_angle() / bin_solid_angle


def _by_energy(cube: Array) -> Array:
    return np.asarray(cube.reshape(len(cube), -1).sum(axis=1))


def _broadcast(by_energy: Array, cube: Array) -> Array:
    return np.asarray(by_energy.reshape(-1, *[1] * (cube.ndim - 1)))
