"""The tally: counts and exposure of the runs of one bin in zenith angle, run by run."""

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

PIXEL = 0.02 * u.deg  # of the exclusion: small against a bin of the camera
TURN = 180.0  # seconds between two looks at where excluded pixels are while the sky turns


@attrs.frozen
class Tally:
    """What was seen, outside the exclusion.

    Parameters
    ----------
    counts : array
        By energy and place in the field of view.
    exposure : array
        Livetime times solid angle in s sr, by place in the field of view.
    livetime : float
        In s.
    cos_zenith : float
        The sum over runs of livetime times the cosine of the zenith angle, in s.
    runs : int
        How many.
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
    def nothing(cls, camera: Camera) -> Self:
        """Give the tally of no run."""
        solid_angle = camera.solid_angle()
        shape = (len(camera.energy) - 1, *solid_angle.shape)
        return cls(np.zeros(shape), np.zeros_like(solid_angle))

    @classmethod
    def of(
        cls,
        camera: Camera,
        observation: Observation,
        zenith: float,
        exclude: Regions,
        target_radius: u.Quantity | None,
    ) -> Self:
        """Give the tally of one run; `zenith` in deg."""
        livetime = observation.observation_live_time_duration.to_value("s")
        cos_zenith = livetime * np.cos(np.deg2rad(zenith))
        outside = _outside(camera, observation, exclude, target_radius)
        events = observation.events
        sky, energy, times = events.radec, events.energy.to_value("TeV"), events.time
        solid_angle = camera.solid_angle()
        if outside is not None:
            # what falls off this map is off the field of view too
            kept = outside.get_by_coord(sky) == 1
            sky, energy, times = sky[kept], energy[kept], times[kept]
            solid_angle = np.maximum(solid_angle - _hidden(camera, observation, outside), 0)
        counts = camera.histogram(energy, camera.places(sky, times, observation))
        return cls(counts, livetime * solid_angle, livetime, cos_zenith, 1)


def _outside(
    camera: Camera, observation: Observation, exclude: Regions, radius: u.Quantity | None
) -> WcsNDMap | None:
    """Give the map of the field of view that is 1 where nothing is excluded; None if all is so."""
    from gammapy.maps import WcsGeom

    if not exclude and radius is None:
        return None
    width = 2 * camera.reach * (1 if camera.radial else np.sqrt(2)) * u.deg + 4 * PIXEL
    pointing = observation.pointing.fixed_icrs
    geom = WcsGeom.create(skydir=pointing, width=width, binsz=PIXEL, proj="TAN", frame="icrs")
    outside = exclude.outside(geom)
    if radius is not None:
        away = geom.get_coord().skycoord.separation(_target(observation)) > radius
        outside.data &= away
    return None if outside.data.all() else outside


def _target(observation: Observation) -> u.Quantity:
    target = observation.target_radec
    if target is None or not np.isfinite(target.ra.deg):
        raise ValueError(
            f"run {observation.obs_id} does not say where its target is (RA_OBJ, DEC_OBJ): "
            "give it as a region in exclude, and leave out target_radius"
        )
    return target


def _hidden(camera: Camera, observation: Observation, outside: WcsNDMap) -> Array:
    """Give the excluded solid angle in each bin of the field of view, on average over the run."""
    hidden = ~outside.data.astype(bool)
    sky = outside.geom.get_coord().skycoord[hidden]
    weights = outside.geom.solid_angle().to_value("sr")[hidden]
    if not camera.rotates:
        return camera.spread(weights, camera.places(sky, None, observation))
    length = (observation.tstop - observation.tstart).to_value("s")
    looks = max(int(np.ceil(length / TURN)), 1)
    times = observation.tstart + (np.arange(looks) + 0.5) / looks * length * u.s
    places = camera.places(sky[:, np.newaxis], times, observation)
    return camera.spread(np.repeat(weights / looks, looks), places)
