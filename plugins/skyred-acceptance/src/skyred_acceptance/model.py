"""The model: background rates from counts and exposure, as gammapy's background responses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u

from skyred_acceptance.camera import Array, Camera
from skyred_acceptance.tally import Tally

if TYPE_CHECKING:
    from gammapy.irf import BackgroundIRF

log = logging.getLogger(__name__)

COUNTS_FOR_SHAPE = 25  # in each bin of the field of view, on average
EMPTY = 0.5  # counts that stand for none: gammapy interpolates logarithms
SEEN = 0.05  # of its solid angle and all livetime: the least that a bin can be learnt from
SAMPLES = 5  # places in each bin of the field of view
ROUNDS = 6  # each brings the counts closer by a factor of about 10


def rates(camera: Camera, tally: Tally, min_counts: int, where: str) -> Array:
    """Give the background rate in MeV-1 s-1 sr-1, per livetime, by energy and place in the field.

    In a bin of energy with `N` counts the rate is ``N / dE`` times a shape over the field of view.
    The shape is counts over exposure in that bin of energy, or, where these are too few, in as many
    bins around it as it takes. Then the rates are scaled, energy by energy, until gammapy's
    interpolation between bin centres, integrated, gives the counts again.

    Parameters
    ----------
    camera : Camera
        The bins.
    tally : Tally
        What was seen.
    min_counts : int
        Counts that each bin of energy must have.
    where : str
        Which runs they are, for messages.

    Raises
    ------
    ValueError
        If there are fewer, or bins of the field of view were always excluded.
    """
    _refuse_few(camera, tally, min_counts, where)
    _refuse_hidden(camera, tally, where)
    counts = _by_energy(tally.counts)
    width = np.diff(camera.energy) * 1e6  # MeV
    found = np.stack([_shape(tally, energy) for energy in range(len(counts))])
    found *= _as_factor(counts / width, found)
    for _ in range(ROUNDS):
        found = found * _as_factor(counts / _expected(camera, found, tally.exposure), found)
    return found


def response(camera: Camera, rate: Array) -> BackgroundIRF:
    """Give rates as gammapy's `Background2D` or `Background3D`.

    The two-dimensional one goes on flat for a bin beyond the largest offset, as `MapDatasetMaker`
    has it: gammapy would extrapolate logarithms there.
    """
    from gammapy.irf import Background2D, Background3D, FoVAlignment

    axes, unit = camera.axes(), "s-1 MeV-1 sr-1"
    if camera.radial:
        irf = Background2D(axes=axes, data=rate, unit=unit)
        return irf.pad(1, mode="edge", axis_name="offset")
    alignment = FoVAlignment.ALTAZ if camera.altaz else FoVAlignment.RADEC
    return Background3D(axes=axes, data=rate, unit=unit, fov_alignment=alignment)


def _refuse_few(camera: Camera, tally: Tally, min_counts: int, where: str) -> None:
    for index, found in enumerate(_by_energy(tally.counts)):
        if found < max(min_counts, 1):
            low, high = camera.energy[index], camera.energy[index + 1]
            raise ValueError(
                f"{found:.0f} counts from {low:.3g} to {high:.3g} TeV in {where} "
                f"({tally.runs} runs), at least {max(min_counts, 1)} are needed: take fewer "
                "energy_bins, a narrower range of energy, wider zenith_edges or more runs"
            )


def _refuse_hidden(camera: Camera, tally: Tally, where: str) -> None:
    seen = tally.exposure / (camera.solid_angle() * tally.livetime)
    if missing := int((seen < SEEN).sum()):
        raise ValueError(
            f"{missing} of {seen.size} bins of the field of view are excluded in (nearly) all of "
            f"{where} ({tally.runs} runs): take fewer offset_bins, model: radial, smaller regions, "
            "wider zenith_edges or more pointings"
        )


def _shape(tally: Tally, energy: int) -> Array:
    """Give the rate over the field of view around one bin of energy, of integral 1."""
    low, high, last = energy, energy + 1, len(tally.counts)
    wanted = COUNTS_FOR_SHAPE * tally.exposure.size
    while tally.counts[low:high].sum() < wanted and high - low < last:
        low, high = max(low - 1, 0), min(high + 1, last)
    shape = np.maximum(tally.counts[low:high].sum(axis=0), EMPTY) / tally.exposure
    return np.asarray(shape / (shape * tally.exposure).sum())


def _expected(camera: Camera, rate: Array, exposure: Array) -> Array:
    """Give the counts by energy that gammapy's interpolation of the rates stands for."""
    irf = response(camera, rate)
    edges = np.asarray(camera.energy)
    nodes = np.sort(np.concatenate([edges, np.sqrt(edges[1:] * edges[:-1])])) * u.TeV
    field = {axis.name: axis.upsample(SAMPLES).center for axis in camera.field()}
    grid = np.meshgrid(nodes, *field.values(), indexing="ij")
    coords = dict(zip(("energy", *field), grid, strict=True))
    # two pieces a bin: gammapy's interpolation has its kinks at the centres
    pieces = irf.integrate_log_log(**coords, axis_name="energy").to_value("s-1 sr-1")
    integral = pieces[0::2] + pieces[1::2]
    weights = _fine(camera, exposure)
    return _by_energy(integral * weights[np.newaxis])


def _fine(camera: Camera, exposure: Array) -> Array:
    """Give the exposure of each sample of the field of view: its part of its bin's."""
    fine = Camera(camera.energy, camera.reach, camera.bins * SAMPLES, camera.radial, camera.altaz)
    bins, samples = camera.solid_angle(), fine.solid_angle()
    for axis in range(exposure.ndim):
        exposure, bins = (np.repeat(each, SAMPLES, axis=axis) for each in (exposure, bins))
    return exposure * samples / bins


def _by_energy(cube: Array) -> Array:
    return np.asarray(cube.reshape(len(cube), -1).sum(axis=1))


def _as_factor(by_energy: Array, cube: Array) -> Array:
    return np.asarray(by_energy.reshape(-1, *[1] * (cube.ndim - 1)))
