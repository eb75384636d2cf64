"""Simulated runs: wobble pointings around the source, and the events of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import vstack
from astropy.time import Time
from astropy.utils import iers
from gammapy.data import EventList, FixedPointingInfo, Observation, observatory_locations
from gammapy.datasets import MapDatasetEventSampler, create_map_dataset_from_observation
from gammapy.maps import MapAxis

from skyred.components.simulation.irfs import ENERGY_RANGE, FIELD_RADIUS, META, create_irfs
from skyred.components.simulation.truth import FIRST_OBS_ID, LAT_0, LON_0, true_models

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import MapDataset

OBSERVATORY = observatory_locations["hess"]
WOBBLE_OFFSET = 0.5 * u.deg
DEAD_TIME_FRACTION = 0.06
TIME_REFERENCE = Time("2004-01-01T00:00:00", scale="tt")
FIRST_NIGHT = Time("2004-12-09T22:00:00", scale="tt")
RUNS_PER_NIGHT = 4
SIDEREAL_DAY = 86164.0905 * u.s
PAUSE = 2 * u.min
# Width of the map and of a pixel. Only the source needs small pixels, and only within its PSF.
# With an odd number of pixels of 0.02 deg, the source is at the centre of a pixel (0.5 deg from
# the centre of the map).
SOURCE_MAP = (3.02 * u.deg, 0.02 * u.deg)
BACKGROUND_MAP = (2 * FIELD_RADIUS * u.deg, 0.1 * u.deg)
HEADER = {
    "EQUINOX": 2000.0,
    "RADECSYS": "ICRS",
    "N_TELS": 4,
    "TELLIST": "1,2,3,4",
    "NDSKEYS": 3,
    "NMCIDS": 2,
    "OBSERVER": "skyred simulation",
    "ORIGIN": META["ORIGIN"],
}


def simulate_run(number: int, *, livetime: float, seed: int) -> Observation:
    """Simulate one run with its events.

    Parameters
    ----------
    number : int
        The number of the run, from 0. It determines the pointing, the time and, with the seed, the
        events, independently of the other runs.
    livetime : float
        The livetime in minutes; the duration also includes 6 % dead time.
    seed : int
        The seed of the archive.

    Returns
    -------
    gammapy.data.Observation
        The run in memory, with full-enclosure IRFs. The events are between 0.4 and 100 TeV; MC_ID
        is 1 for the source and 0 for the background, and the table includes the true energies and
        positions.
    """
    observation = _create_observation(number, livetime)
    random_state = np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, number])))
    sampler = MapDatasetEventSampler(random_state=random_state, keep_mc_id=True)
    background_dataset = _create_dataset(
        observation.copy(in_memory=True, psf=None, edisp=None), BACKGROUND_MAP
    )
    tables = [_sample_source(sampler, observation), sampler.sample_background(background_dataset)]
    # an empty table may have fewer columns, and vstack would mask the others
    non_empty_tables = [table for table in tables if len(table)] or tables[1:]
    events = EventList(vstack(non_empty_tables, metadata_conflicts="silent"))
    events = sampler.event_det_coords(observation, events)
    events = events.select_row_subset(
        background_dataset.counts.geom.contains(events.map_coord(background_dataset.counts.geom))
    )
    # no download is needed: astropy includes the tables of these years
    with iers.earth_orientation_table.set(iers.IERS_B.open()):
        header = sampler.event_list_meta(background_dataset, observation)
    return observation.copy(
        in_memory=True, events=EventList(_to_stored_events(events.table, header))
    )


def wobble_pointing(number: int) -> SkyCoord:
    """Return the pointing of a run: 0.5 deg north, east, south and west of the source in turn.

    Parameters
    ----------
    number : int
        The number of the run, from 0.

    Returns
    -------
    astropy.coordinates.SkyCoord
        The pointing, ICRS.
    """
    target = SkyCoord(LON_0.value, LAT_0.value, unit="deg", frame="icrs")
    return target.directional_offset_by(90 * (number % 4) * u.deg, WOBBLE_OFFSET).icrs


def start_time(number: int, duration: u.Quantity) -> Time:
    """Return the start of a run.

    There are four runs per night around culmination; the nights are one sidereal day apart.

    Parameters
    ----------
    number : int
        The number of the run, from 0.
    duration : astropy.units.Quantity
        The duration of each run.

    Returns
    -------
    astropy.time.Time
        The start.
    """
    night, run_of_night = divmod(number, RUNS_PER_NIGHT)
    return FIRST_NIGHT + night * SIDEREAL_DAY + run_of_night * (duration + PAUSE)


def _create_observation(number: int, livetime: float) -> Observation:
    """Create the observation of a run without events.

    Parameters
    ----------
    number : int
        The number of the run, from 0.
    livetime : float
        The livetime in minutes.

    Returns
    -------
    gammapy.data.Observation
        The run, with IRFs.
    """
    duration = livetime / (1 - DEAD_TIME_FRACTION) * u.min
    start = start_time(number, duration)
    return Observation.create(
        pointing=FixedPointingInfo(fixed_icrs=wobble_pointing(number)),
        location=OBSERVATORY,
        obs_id=FIRST_OBS_ID + number,
        tstart=start,
        tstop=start + duration,
        irfs=create_irfs(),
        deadtime_fraction=DEAD_TIME_FRACTION,
        reference_time=TIME_REFERENCE,
    )


def _create_dataset(observation: Observation, size: tuple[u.Quantity, u.Quantity]) -> MapDataset:
    """Create the dataset for the sampling of events, with the true models.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The run.
    size : tuple of astropy.units.Quantity
        The width of the map, and of a pixel.

    Returns
    -------
    gammapy.datasets.MapDataset
        The dataset.
    """
    width, pixel_size = size
    # gammapy samples uniformly in log energy within a bin: 20 bins per decade are enough to see no
    # bias in 40 h of simulated data
    energy_axis_true = MapAxis.from_energy_bounds(
        *ENERGY_RANGE, nbin=20, per_decade=True, name="energy_true"
    )
    return create_map_dataset_from_observation(
        observation,
        true_models(),
        energy_axis=MapAxis.from_energy_bounds("0.4 TeV", "100 TeV", nbin=20, per_decade=True),
        energy_axis_true=energy_axis_true,
        spatial_width=width,
        spatial_bin_size=pixel_size,
    )


def _sample_source(sampler: MapDatasetEventSampler, observation: Observation) -> Table:
    """Sample the events of the source, with PSF and energy dispersion.

    Parameters
    ----------
    sampler : gammapy.datasets.MapDatasetEventSampler
        The sampler.
    observation : gammapy.data.Observation
        The run.

    Returns
    -------
    astropy.table.Table
        The events.
    """
    dataset = _create_dataset(observation.copy(in_memory=True, bkg=None), SOURCE_MAP)
    events = sampler.sample_sources(dataset)
    if len(events):
        events = sampler.sample_psf(dataset.psf, events)
        events = sampler.sample_edisp(dataset.edisp, events)
    return events


def _to_stored_events(events: Table, header: dict[str, Any]) -> Table:
    """Convert events to the stored form: sorted by time, in single precision, with headers.

    Parameters
    ----------
    events : astropy.table.Table
        The events.
    header : dict
        The header of the events.

    Returns
    -------
    astropy.table.Table
        The events.
    """
    events = events[np.argsort(events["TIME"], kind="stable")]
    events["EVENT_ID"] = np.arange(1, len(events) + 1)
    for name in set(events.colnames) - {"TIME", "EVENT_ID", "MC_ID"}:
        events[name] = events[name].astype(np.float32)
    # a masked column would be written with a null value (TNULL), as if values were missing
    events["MC_ID"] = np.asarray(events["MC_ID"], dtype=np.int16)
    events.meta.update(header | HEADER)
    # rounded, so that newer Earth rotation tables do not change the bytes
    events.meta.update({key: round(float(header[key]), 4) for key in ("ALT_PNT", "AZ_PNT")})
    del events.meta["RADESYSa"]
    return events
