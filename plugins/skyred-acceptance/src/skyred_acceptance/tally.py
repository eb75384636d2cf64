"""Counts and exposure of the runs in a bin of zenith angle, summed run by run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs
import numpy as np
from astropy import units as u

from skyred import Regions
from skyred_acceptance.camera import Array, Camera

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.maps import WcsNDMap

PIXEL = 0.02 * u.deg  # size of a pixel of the exclusion mask, small compared with the camera bins
TIME_STEP = 180.0  # seconds between two positions of excluded pixels while the sky rotates


@attrs.frozen
class Tally:
    """Counts and exposure of runs, outside the exclusion regions.

    Parameters
    ----------
    counts : array
        Counts by energy and bin of the field of view.
    exposure : array
        Livetime times solid angle in s sr, by bin of the field of view.
    livetime : float
        Livetime in s.
    weighted_cos_zenith : float
        Sum over runs of the livetime times the cosine of the zenith angle, in s.
    runs : int
        Number of runs.
    """

    counts: Array = attrs.field(eq=False)
    exposure: Array = attrs.field(eq=False)
    livetime: float = 0.0
    weighted_cos_zenith: float = 0.0
    runs: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.counts + other.counts,
            self.exposure + other.exposure,
            self.livetime + other.livetime,
            self.weighted_cos_zenith + other.weighted_cos_zenith,
            self.runs + other.runs,
        )

    @classmethod
    def empty(cls, camera: Camera) -> Self:
        """Create a tally without runs."""
        solid_angle = camera.solid_angle()
        shape = (len(camera.energy) - 1, *solid_angle.shape)
        return cls(np.zeros(shape), np.zeros_like(solid_angle))

    @classmethod
    def from_observation(
        cls,
        camera: Camera,
        observation: Observation,
        zenith: float,
        exclude: Regions,
        target_radius: u.Quantity | None,
    ) -> Self:
        """Create the tally of one run; `zenith` is its zenith angle in deg."""
        livetime = observation.observation_live_time_duration.to_value("s")
        weighted_cos_zenith = livetime * np.cos(np.deg2rad(zenith))
        mask = _exclusion_mask(camera, observation, exclude, target_radius)
        events = observation.events
        sky, energy, times = events.radec, events.energy.to_value("TeV"), events.time
        solid_angle = camera.solid_angle()
        if mask is not None:
            # events outside the map of the mask are also outside the field of view
            is_used = mask.get_by_coord(sky) == 1
            sky, energy, times = sky[is_used], energy[is_used], times[is_used]
            excluded_solid_angle = _excluded_solid_angle(camera, observation, mask)
            solid_angle = np.maximum(solid_angle - excluded_solid_angle, 0)
        counts = camera.histogram(energy, camera.to_fov(sky, times, observation))
        return cls(counts, livetime * solid_angle, livetime, weighted_cos_zenith, 1)


def _exclusion_mask(
    camera: Camera, observation: Observation, exclude: Regions, radius: u.Quantity | None
) -> WcsNDMap | None:
    """Return a mask that is False in the exclusion regions; None if nothing is excluded."""
    from gammapy.maps import WcsGeom

    if not exclude and radius is None:
        return None
    width = 2 * camera.extent * (1 if camera.radial else np.sqrt(2)) * u.deg + 4 * PIXEL
    pointing = observation.pointing.fixed_icrs
    geom = WcsGeom.create(skydir=pointing, width=width, binsz=PIXEL, proj="TAN", frame="icrs")
    mask = exclude.outside(geom)
    if radius is not None:
        mask.data &= geom.get_coord().skycoord.separation(_target(observation)) > radius
    return None if mask.data.all() else mask


def _target(observation: Observation) -> u.Quantity:
    target = observation.target_radec
    if target is None or not np.isfinite(target.ra.deg):
        raise ValueError(
            f"run {observation.obs_id} has no target position (RA_OBJ, DEC_OBJ): "
            "exclude it with a region in exclude instead of target_radius"
        )
    return target


def _excluded_solid_angle(camera: Camera, observation: Observation, mask: WcsNDMap) -> Array:
    """Compute the excluded solid angle in each bin of the field of view, averaged over the run."""
    is_excluded = ~mask.data.astype(bool)
    sky = mask.geom.get_coord().skycoord[is_excluded]
    weights = mask.geom.solid_angle().to_value("sr")[is_excluded]
    if not camera.sky_rotates:
        return camera.sum_weights(weights, camera.to_fov(sky, None, observation))
    duration = (observation.tstop - observation.tstart).to_value("s")
    n_steps = max(int(np.ceil(duration / TIME_STEP)), 1)
    times = observation.tstart + (np.arange(n_steps) + 0.5) / n_steps * duration * u.s
    fov = camera.to_fov(sky[:, np.newaxis], times, observation)
    return camera.sum_weights(np.repeat(weights / n_steps, n_steps), fov)
