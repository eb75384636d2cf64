"""Runs simulated from a known background, with which estimated models are compared."""

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
ENERGY = (0.8, 15.0)  # TeV; wider than the energy range of the models
HALF_WIDTH = 2.8  # deg; larger than the field of view of the models
DEADTIME_FRACTION = 0.1


@attrs.frozen
class Truth:
    """The true background: a power law in energy that decreases with offset.

    `rate` is the rate per livetime at 1 TeV, on axis, at the zenith, in s-1 MeV-1 sr-1; `slope` is
    the relative change per degree of field-of-view latitude, `zenith_power` the power of
    cos(zenith).
    """

    rate: float = 2e-3
    index: float = 2.7
    slope: float = 0.0
    zenith_power: float = 0.0

    def shape(self, lon, lat):
        """Return the rate relative to the axis, at field-of-view coordinates in deg."""
        offset = np.hypot(lon * np.cos(np.deg2rad(lat)), lat)
        return np.exp(-0.25 * (offset / 1.6) ** 4) * (1 + self.slope * lat)

    def rate_at_zenith(self, zenith):
        """Return the rate on axis at 1 TeV, for a zenith angle in deg."""
        return self.rate * np.cos(np.deg2rad(zenith)) ** self.zenith_power

    def spectrum(self, edges):
        """Integrate the power law over energy bins in TeV; the integral is in MeV."""
        powers = np.asarray(edges) ** (1 - self.index)
        return 1e6 * -np.diff(powers) / (self.index - 1)

    def integrate_shape(self, camera, samples=20):
        """Integrate the shape over bins of the field of view, in sr."""
        fine_camera = attrs.evolve(camera, bins=camera.bins * samples)
        axes = [axis.center.to_value("deg") for axis in fine_camera.fov_axes()]
        if camera.radial:
            values = self.shape(axes[0], 0) * fine_camera.solid_angle()
            return values.reshape(-1, samples).sum(axis=1)
        values = self.shape(*np.meshgrid(*axes, indexing="ij")) * fine_camera.solid_angle()
        bins = 2 * camera.bins
        return values.reshape(bins, samples, bins, samples).sum(axis=(1, 3))

    def response(self, zenith):
        """Return a gammapy background IRF, with bins so small that interpolation has no effect."""
        energy = MapAxis.from_energy_bounds(0.7, 20, 40, unit="TeV", name="energy")
        fov_axes = [
            MapAxis.from_bounds(-HALF_WIDTH, HALF_WIDTH, 112, unit="deg", name=name)
            for name in ("fov_lon", "fov_lat")
        ]
        axes = MapAxes([energy, *fov_axes])
        coords = axes.get_coord()
        shape = self.shape(coords["fov_lon"].to_value("deg"), coords["fov_lat"].to_value("deg"))
        rate = self.rate_at_zenith(zenith)
        data = rate * coords["energy"].to_value("TeV") ** -self.index * shape
        return Background3D(
            axes=axes, data=data, unit="s-1 MeV-1 sr-1", fov_alignment=FoVAlignment.ALTAZ
        )


def simulate_run(
    truth, obs_id, pointing=None, deadtime_fraction=DEADTIME_FRACTION, hours=1.0, seed=1
):
    """Simulate a run with events from 0.8 to 15 TeV, in a square of 5.6 deg in altaz."""
    random = np.random.default_rng([seed, obs_id])
    pointing = pointing or SkyCoord(83.63, 22.01, unit="deg").directional_offset_by(
        90 * (obs_id % 4) * u.deg, 0.7 * u.deg
    )
    start = Time("2020-11-20T22:30:00", scale="tt") + 0.02 * obs_id * u.h
    observation = Observation.create(
        pointing=FixedPointingInfo(fixed_icrs=pointing.icrs),
        location=HESS,
        obs_id=obs_id,
        tstart=start,
        tstop=start + hours * u.h,
        deadtime_fraction=deadtime_fraction,
        reference_time=REFERENCE,
        irfs={},
    )
    observation._events = _events(truth, observation, random)
    return observation


def _events(truth, observation, random):
    lon, lat, energy = _draw_events(truth, observation, random)
    duration = observation.observation_time_duration.to_value("s")
    times = observation.tstart + np.sort(random.uniform(0, duration, len(lon))) * u.s
    with erfa_astrom.set(ErfaAstromInterpolator(60 * u.s)):
        origin = observation.pointing.get_altaz(times, HESS)
        frame = FoVAltAzFrame(origin=origin, location=HESS, obstime=times)
        sky = SkyCoord(lon * u.deg, lat * u.deg, frame=frame).transform_to(origin.frame).icrs
    return event_list(sky, energy, times)


def event_list(sky, energy, times):
    """Return a gammapy event list, from energies in TeV."""
    columns = {"TIME": times, "RA": sky.ra, "DEC": sky.dec, "ENERGY": energy * u.TeV}
    return EventList(Table(columns | {"EVENT_ID": np.arange(len(sky))}))


def _draw_events(truth, observation, random):
    """Draw field-of-view coordinates in deg and energies in TeV, by rejection sampling."""
    zenith = zenith_angle(observation)
    edges = np.linspace(-HALF_WIDTH, HALF_WIDTH, 401)
    grid = np.meshgrid((edges[1:] + edges[:-1]) / 2, (edges[1:] + edges[:-1]) / 2)
    pixel_solid_angle = np.deg2rad(edges[1] - edges[0]) ** 2 * np.cos(np.deg2rad(grid[1]))
    solid_angle = (truth.shape(*grid) * pixel_solid_angle).sum()
    livetime = observation.observation_live_time_duration.to_value("s")
    rate = truth.rate_at_zenith(zenith) * solid_angle * truth.spectrum(ENERGY)[0]
    n_events = random.poisson(rate * livetime)
    n_trials = int(n_events * 8 + 1000)
    lon = random.uniform(-HALF_WIDTH, HALF_WIDTH, n_trials)
    sin_lat = random.uniform(-1, 1, n_trials) * np.sin(np.deg2rad(HALF_WIDTH))
    lat = np.rad2deg(np.arcsin(sin_lat))
    max_shape = 1 + abs(truth.slope) * HALF_WIDTH
    is_accepted = random.uniform(0, max_shape, n_trials) < truth.shape(lon, lat)
    accepted = np.flatnonzero(is_accepted)[:n_events]
    assert len(accepted) == n_events
    low, high = (edge ** (1 - truth.index) for edge in ENERGY)
    energy = (low + random.uniform(size=n_events) * (high - low)) ** (1 / (1 - truth.index))
    return lon[accepted], lat[accepted], energy
