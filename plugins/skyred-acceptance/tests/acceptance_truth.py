"""Runs simulated from a known background, with which a learnt model is compared."""

from __future__ import annotations

import attrs
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.coordinates.erfa_astrom import ErfaAstromInterpolator, erfa_astrom
from astropy.table import Table
from astropy.time import Time
from gammapy.data import EventList, FixedPointingInfo, Observation, observatory_locations
from gammapy.irf import Background3D, FoVAlignment
from gammapy.maps import MapAxes, MapAxis
from gammapy.utils.coordinates import FoVAltAzFrame

from skyred_acceptance.maker import zenith_angle

HESS = observatory_locations["hess"]
REFERENCE = Time("2020-01-01T00:00:00", scale="tt")
ENERGY = (0.8, 15.0)  # TeV: wider than the range of the models
BOX = 2.8  # deg: wider than the field of the models
DEAD = 0.1


@attrs.frozen
class Truth:
    """A power law in energy that decreases with offset, with a slope towards the horizon.

    `rate` is at 1 TeV on axis at the zenith, per MeV s sr of livetime; `slope` is the relative
    change per degree of field-of-view latitude, `zenith_power` the power of cos(zenith).
    """

    rate: float = 2e-3
    index: float = 2.7
    slope: float = 0.0
    zenith_power: float = 0.0

    def shape(self, lon, lat):
        """Return the rate relative to the axis, at field-of-view coordinates in deg."""
        offset = np.hypot(lon * np.cos(np.deg2rad(lat)), lat)
        return np.exp(-0.25 * (offset / 1.6) ** 4) * (1 + self.slope * lat)

    def at_zenith(self, zenith):
        return self.rate * np.cos(np.deg2rad(zenith)) ** self.zenith_power

    def spectrum(self, edges):
        """Integrate the power law over energy bins in TeV; the integral is in MeV."""
        powers = np.asarray(edges) ** (1 - self.index)
        return 1e6 * -np.diff(powers) / (self.index - 1)

    def on_field(self, camera, samples=20):
        """Integrate the shape over bins of the field of view, in sr."""
        fine = attrs.evolve(camera, bins=camera.bins * samples)
        axes = [axis.center.to_value("deg") for axis in fine.fov_axes()]
        if camera.radial:
            values = self.shape(axes[0], 0) * fine.solid_angle()
            return values.reshape(-1, samples).sum(axis=1)
        values = self.shape(*np.meshgrid(*axes, indexing="ij")) * fine.solid_angle()
        bins = 2 * camera.bins
        return values.reshape(bins, samples, bins, samples).sum(axis=(1, 3))

    def response(self, zenith):
        """Return a background IRF of gammapy, with fine bins to make interpolation negligible."""
        energy = MapAxis.from_energy_bounds(0.7, 20, 40, unit="TeV", name="energy")
        sides = [
            MapAxis.from_bounds(-BOX, BOX, 112, unit="deg", name=n) for n in ("fov_lon", "fov_lat")
        ]
        axes = MapAxes([energy, *sides])
        coords = axes.get_coord()
        shape = self.shape(coords["fov_lon"].to_value("deg"), coords["fov_lat"].to_value("deg"))
        data = self.at_zenith(zenith) * coords["energy"].to_value("TeV") ** -self.index * shape
        return Background3D(
            axes=axes, data=data, unit="s-1 MeV-1 sr-1", fov_alignment=FoVAlignment.ALTAZ
        )


def run(truth, number, pointing=None, dead=DEAD, hours=1.0, start=None, seed=1):
    """Simulate a run: events from 0.8 to 15 TeV in 5.6 deg, aligned with the horizon."""
    random = np.random.default_rng([seed, number])
    pointing = pointing or SkyCoord(83.63, 22.01, unit="deg").directional_offset_by(
        90 * (number % 4) * u.deg, 0.7 * u.deg
    )
    start = start or Time("2020-11-20T22:30:00", scale="tt") + 0.02 * number * u.h
    observation = Observation.create(
        pointing=FixedPointingInfo(fixed_icrs=pointing.icrs),
        location=HESS,
        obs_id=number,
        tstart=start,
        tstop=start + hours * u.h,
        deadtime_fraction=dead,
        reference_time=REFERENCE,
        irfs={},
    )
    observation._events = _events(truth, observation, random)
    return observation


def _events(truth, observation, random):
    lon, lat, energy = _draw(truth, observation, random)
    length = observation.observation_time_duration.to_value("s")
    times = observation.tstart + np.sort(random.uniform(0, length, len(lon))) * u.s
    with erfa_astrom.set(ErfaAstromInterpolator(60 * u.s)):
        origin = observation.pointing.get_altaz(times, HESS)
        frame = FoVAltAzFrame(origin=origin, location=HESS, obstime=times)
        sky = SkyCoord(lon * u.deg, lat * u.deg, frame=frame).transform_to(origin.frame).icrs
    return event_list(sky, energy, times)


def event_list(sky, energy, times):
    """Return an event list of gammapy, from energies in TeV."""
    columns = {"TIME": times, "RA": sky.ra, "DEC": sky.dec, "ENERGY": energy * u.TeV}
    return EventList(Table(columns | {"EVENT_ID": np.arange(len(sky))}))


def _draw(truth, observation, random):
    zenith = zenith_angle(observation)
    side = np.linspace(-BOX, BOX, 401)
    grid = np.meshgrid((side[1:] + side[:-1]) / 2, (side[1:] + side[:-1]) / 2)
    pixel = np.deg2rad(side[1] - side[0]) ** 2 * np.cos(np.deg2rad(grid[1]))
    solid_angle = (truth.shape(*grid) * pixel).sum()
    live = observation.observation_live_time_duration.to_value("s")
    expected = truth.at_zenith(zenith) * live * solid_angle * truth.spectrum(ENERGY)[0]
    n_events = random.poisson(expected)
    tries = int(n_events * 8 + 1000)
    lon = random.uniform(-BOX, BOX, tries)
    lat = np.rad2deg(np.arcsin(random.uniform(-1, 1, tries) * np.sin(np.deg2rad(BOX))))
    highest = 1 + abs(truth.slope) * BOX
    accepted = np.flatnonzero(random.uniform(0, highest, tries) < truth.shape(lon, lat))[:n_events]
    assert len(accepted) == n_events
    low, high = (edge ** (1 - truth.index) for edge in ENERGY)
    energy = (low + random.uniform(size=n_events) * (high - low)) ** (1 / (1 - truth.index))
    return lon[accepted], lat[accepted], energy
