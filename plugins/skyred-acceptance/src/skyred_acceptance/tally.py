"""Counts and exposure of the runs in one bin of zenith angle, summed run by run."""

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

PIXEL = 0.02 * u.deg  # of the exclusion mask: small compared with a bin of the camera
TIME_STEP = 180.0  # seconds between two positions of excluded pixels while the sky rotates


@attrs.frozen
class Tally:
    """Counts and exposure outside the exclusion.

    Parameters
    ----------
    counts : array
        By energy and bin of the field of view.
    exposure : array
        Livetime times solid angle in s sr, by bin of the field of view.
    livetime : float
        In s.
    cos_zenith : float
        The sum over runs of livetime times the cosine of the zenith angle, in s.
    runs : int
        Number of runs.
    """

    counts: Array = attrs.field(eq=False)
    exposure: Array = attrs.field(eq=False)
    livetime: float = 0.0
    cos_zenith: float = 0.0
    runs: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.counts + other.counts,
            self.exposure + other.exposure,
            self.livetime + other.livetime,
            self.cos_zenith + other.cos_zenith,
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
        """Create the tally of one run; `zenith` in deg."""
        livetime = observation.observation_live_time_duration.to_value("s")
        cos_zenith = livetime * np.cos(np.deg2rad(zenith))
        outside = _outside(camera, observation, exclude, target_radius)
        events = observation.events
        sky, energy, times = events.radec, events.energy.to_value("TeV"), events.time
        solid_angle = camera.solid_angle()
        if outside is not None:
            # events outside this map are also outside the field of view
            is_outside = outside.get_by_coord(sky) == 1
            sky, energy, times = sky[is_outside], energy[is_outside], times[is_outside]
            excluded = _excluded_solid_angle(camera, observation, outside)
            solid_angle = np.maximum(solid_angle - excluded, 0)
        counts = camera.histogram(energy, camera.to_fov(sky, times, observation))
        return cls(counts, livetime * solid_angle, livetime, cos_zenith, 1)


def _outside(
    camera: Camera, observation: Observation, exclude: Regions, radius: u.Quantity | None
) -> WcsNDMap | None:
    """Return a map that is 1 outside the exclusion; None if nothing is excluded."""
    from gammapy.maps import WcsGeom

    if not exclude and radius is None:
        return None
    width = 2 * camera.extent * (1 if camera.radial else np.sqrt(2)) * u.deg + 4 * PIXEL
    pointing = observation.pointing.fixed_icrs
    geom = WcsGeom.create(skydir=pointing, width=width, binsz=PIXEL, proj="TAN", frame="icrs")
    outside = exclude.outside(geom)
    if radius is not None:
        far = geom.get_coord().skycoord.separation(_target(observation)) > radius
        outside.data &= far
    return None if outside.data.all() else outside


def _target(observation: Observation) -> u.Quantity:
    target = observation.target_radec
    if target is None or not np.isfinite(target.ra.deg):
        raise ValueError(
            f"run {observation.obs_id} has no target position (RA_OBJ, DEC_OBJ): "
            "exclude it with a region in exclude instead of target_radius"
        )
    return target


def _excluded_solid_angle(camera: Camera, observation: Observation, outside: WcsNDMap) -> Array:
    """Compute the excluded solid angle in each bin of the field of view, averaged over the run."""
    excluded = ~outside.data.astype(bool)
    sky = outside.geom.get_coord().skycoord[excluded]
    weights = outside.geom.solid_angle().to_value("sr")[excluded]
    if not camera.rotates:
        return camera.sum_weights(weights, camera.to_fov(sky, None, observation))
    length = (observation.tstop - observation.tstart).to_value("s")
    steps = max(int(np.ceil(length / TIME_STEP)), 1)
    times = observation.tstart + (np.arange(steps) + 0.5) / steps * length * u.s
    fov = camera.to_fov(sky[:, np.newaxis], times, observation)
    return camera.sum_weights(np.repeat(weights / steps, steps), fov)
