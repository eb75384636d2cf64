"""gammapy objects from inspected tables are those that gammapy reads through astropy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table as AstropyTable
from gammapy.data import GTI, EventList
from gammapy.data.io import EventListReader
from gammapy.irf import IRF_REGISTRY
from gammapy.maps import MapAxis, WcsGeom, WcsNDMap

from skyred.components.projection import map_counts
from skyred.components.projection.map_counts import count_on_map
from skyred.inspection.astropy_tables import read_meta
from skyred.inspection.file_content import read_file
from skyred.run.worker.gadf_tables import read_gti, read_irf
from skyred.run.worker.inspected_events import InspectedEvents

FILES = (
    "hess-dl3-dr1/data/hess_dl3_dr1_obs_id_023523.fits.gz",
    "magic/rad_max/data/20131004_05029747_DL3_CrabNebula-W0.40+035.fits",
    "cta-1dc/data/baseline/gps/gps_baseline_110380.fits",
    "cta-1dc/caldb/data/cta/1dc/bcf/South_z20_50h/irf_file.fits",
)
HDU_CLASSES = {"GAUSS": "psf_3gauss", "3GAUSS": "psf_3gauss", "KING": "psf_king"}


@pytest.fixture(params=FILES)
def path(request) -> Path:
    path = Path(os.environ.get("GAMMAPY_DATA", ""), request.param)
    if not path.is_file():
        pytest.skip(f"needs $GAMMAPY_DATA/{request.param}")
    return path


def hdu_class(header) -> str:
    name = str(header.get("HDUCLAS4", "")).lower()
    return HDU_CLASSES.get(name.upper(), name)


def test_irfs_are_those_of_gammapy(path):
    content = read_file(path)
    n_irfs = 0
    for name, hdu in content.hdus.items():
        kind = hdu_class(hdu.header)
        if kind not in {irf.tag for irf in IRF_REGISTRY}:
            continue
        n_irfs += 1
        irf = read_irf(kind, hdu, content.table(name))
        expected = IRF_REGISTRY.get_cls(kind).from_hdulist(fits.open(path), hdu=name)
        assert type(irf) is type(expected)
        assert irf.axes.names == expected.axes.names
        for axis, expected_axis in zip(irf.axes, expected.axes, strict=True):
            np.testing.assert_array_equal(axis.edges, expected_axis.edges)
            assert axis.unit == expected_axis.unit
            assert axis.interp == expected_axis.interp
        assert irf.unit == expected.unit
        assert irf.is_pointlike == expected.is_pointlike
        assert irf.fov_alignment == expected.fov_alignment
        np.testing.assert_array_equal(irf.data, expected.data)
        assert irf.meta == expected.meta
    assert n_irfs or "gps_baseline" in path.name


def test_events_and_good_time_are_those_of_gammapy(path):
    content = read_file(path)
    if "EVENTS" not in content.hdus:
        pytest.skip("a file of IRFs")
    events = InspectedEvents.read(content.hdus["EVENTS"], content.table("EVENTS"))
    with fits.open(path) as hdus:
        expected = EventListReader.from_gadf_hdu(hdus["EVENTS"])
        expected_gti = GTI.from_table_hdu(hdus["GTI"])
    assert isinstance(events, InspectedEvents)
    np.testing.assert_array_equal(events.energy, expected.energy)
    np.testing.assert_array_equal(events.radec.ra, expected.radec.ra)
    energy = MapAxis.from_energy_bounds("0.1 TeV", "50 TeV", nbin=3, name="energy")
    for frame in ("icrs", "galactic"):
        geom = WcsGeom.create(
            skydir=expected.pointing_radec, width=5, binsz=0.05, frame=frame, axes=[energy]
        )
        indices, expected_indices = (
            geom.coord_to_idx(event_list.map_coord(geom)) for event_list in (events, expected)
        )
        for index, expected_index in zip(indices, expected_indices, strict=True):
            np.testing.assert_array_equal(index, expected_index)
        expected_counts = WcsNDMap(geom)
        expected_counts.fill_events(expected)
        counts = count_on_map(events, geom)
        np.testing.assert_array_equal(counts.data, expected_counts.data)
        assert counts.data.dtype == expected_counts.data.dtype
    assert events._events is None  # no table was needed so far
    assert events.table.colnames == expected.table.colnames
    np.testing.assert_array_equal(events.time.mjd, expected.time.mjd)
    gti = read_gti(content.hdus["GTI"], content.table("GTI"))
    np.testing.assert_array_equal(gti.time_start.mjd, expected_gti.time_start.mjd)
    np.testing.assert_array_equal(gti.time_stop.mjd, expected_gti.time_stop.mjd)
    assert gti.time_ref == expected_gti.time_ref


def write_events(path: Path, **changes) -> Path:
    """Write four events, with columns changed or removed."""
    columns = {
        "EVENT_ID": np.arange(4),
        "TIME": u.Quantity([0.0, 1, 2, 3], "s"),
        "RA": u.Quantity([10.0, 350, 359.9, 0.1], "deg"),
        "DEC": u.Quantity([1.0, 2, 3, 4], "deg"),
        "ENERGY": u.Quantity([1.0, 2, 3, 4], "TeV"),
        **changes,
    }
    table = AstropyTable({name: column for name, column in columns.items() if column is not None})
    hdu = fits.table_to_hdu(table)
    hdu.name = "EVENTS"
    hdu.header.update(MJDREFI=51544, MJDREFF=0.5, TIMESYS="TT", TIMEUNIT="s", HDUCLASS="GADF")
    hdu.header.update(TSTART=0, TSTOP=4, RA_PNT=0, DEC_PNT=0)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


def read_events(path: Path) -> EventList:
    content = read_file(path)
    return InspectedEvents.read(content.hdus["EVENTS"], content.table("EVENTS"))


def test_selected_events_are_ordinary_events(tmp_path):
    events = read_events(write_events(tmp_path / "events.fits"))
    selected = events.select_row_subset([0, 2])
    assert selected.energy.to_value("TeV").tolist() == [1, 3]
    assert selected.radec.ra.deg.tolist() == [10, 359.9]


def test_changed_table_is_used(tmp_path):
    events = read_events(write_events(tmp_path / "events.fits"))
    table = events.table.copy()  # the columns of events are read-only
    table["ENERGY"][0] = 7
    events.table = table[:2]
    assert events.energy.to_value("TeV").tolist() == [7, 2]
    geom = WcsGeom.create(npix=(2, 2), axes=[])
    assert events.map_coord(geom).lon.size == 2


def test_pickled_events_are_ordinary_events(tmp_path):
    import pickle

    events = pickle.loads(pickle.dumps(read_events(write_events(tmp_path / "events.fits"))))
    assert type(events) is EventList
    assert events.energy.to_value("TeV").tolist() == [1, 2, 3, 4]


def test_energies_that_are_not_finite_are_left_to_gammapy(tmp_path):
    energy = u.Quantity([1.0, np.nan, 3, 4], "TeV")
    events = read_events(write_events(tmp_path / "events.fits", ENERGY=energy))
    assert type(events) is EventList


def test_positions_of_float64_are_rotated_as_by_astropy(tmp_path):
    events = read_events(write_events(tmp_path / "events.fits"))
    geom = WcsGeom.create(frame="galactic", npix=(2, 2), axes=[])
    coordinates = events.map_coord(geom)
    expected = SkyCoord([10, 350, 359.9, 0.1], [1, 2, 3, 4], unit="deg").galactic
    np.testing.assert_allclose(coordinates.lon, expected.l.deg, rtol=0, atol=1e-10)
    np.testing.assert_allclose(coordinates.lat, expected.b.deg, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtypes", [("float32",) * 2, ("float64",) * 2, ("float64", "float32")])
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("unit", ["deg", "rad", "arcsec"])
def test_positions_in_any_unit_are_counted_as_by_gammapy(tmp_path, dtypes, frame, unit):
    rng, n_events = np.random.default_rng(0), 50_000
    columns = {
        "EVENT_ID": np.arange(n_events),
        "TIME": np.linspace(0, 4, n_events) * u.s,
        "RA": u.Quantity(rng.uniform(264, 268, n_events), "deg").to(unit).astype(dtypes[0]),
        "DEC": u.Quantity(rng.uniform(-31, -27, n_events), "deg").to(unit).astype(dtypes[1]),
        "ENERGY": u.Quantity(rng.uniform(0.1, 10, n_events).astype(dtypes[0]), "TeV"),
    }
    path = write_events(tmp_path / "events.fits", **columns)
    axis = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=1, name="energy")
    center = SkyCoord(266, -29, unit="deg")
    geom = WcsGeom.create(skydir=center, width=3, binsz=0.01, frame=frame, axes=[axis])
    expected = WcsNDMap(geom)
    with fits.open(path) as hdus:
        expected.fill_events(EventListReader.from_gadf_hdu(hdus["EVENTS"]))
    counts = count_on_map(read_events(path), geom)
    assert 0 < counts.data.sum() < n_events
    np.testing.assert_array_equal(counts.data, expected.data)


@pytest.mark.parametrize("energy_unit", ["eV", "GeV", "TeV"])
def test_energies_next_to_the_ends_of_an_axis_are_counted_as_by_gammapy(tmp_path, energy_unit):
    energy = np.full(401, 100, dtype="float32").view("int32") + np.arange(-200, 201)
    n_events = len(energy)
    columns = {
        "EVENT_ID": np.arange(n_events),
        "TIME": np.linspace(0, 4, n_events) * u.s,
        "RA": u.Quantity(np.zeros(n_events), "deg"),
        "DEC": u.Quantity(np.zeros(n_events), "deg"),
        "ENERGY": u.Quantity(energy.astype("int32").view("float32"), "TeV"),
    }
    path = write_events(tmp_path / "events.fits", **columns)
    edges = np.geomspace(0.1, 100, 21) * u.TeV
    axis = MapAxis.from_energy_edges(edges.to(energy_unit), name="energy")
    geom = WcsGeom.create(skydir=(0, 0), width=1, binsz=0.1, axes=[axis])
    expected = WcsNDMap(geom)
    with fits.open(path) as hdus:
        expected.fill_events(EventListReader.from_gadf_hdu(hdus["EVENTS"]))
    assert count_on_map(read_events(path), geom).data.sum() == expected.data.sum() > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_events_at_the_edges_of_a_map_are_counted_as_by_gammapy(tmp_path, dtype, frame):
    rng, n_events = np.random.default_rng(0), 20_000
    edges = np.array([0.1, 0.3, 1, 10])
    energy = rng.choice([*edges, *(edges * (1 + 1e-7)), *(edges * (1 - 1e-7)), 0.05, 0.5], n_events)
    columns = {
        "EVENT_ID": np.arange(n_events),
        "TIME": np.linspace(0, 4, n_events) * u.s,
        "RA": u.Quantity(rng.choice([-1, 1, 358.5, 0, 361], n_events).astype(dtype), "deg"),
        "DEC": u.Quantity(rng.uniform(-2, 2, n_events).round(2).astype(dtype), "deg"),
        "ENERGY": u.Quantity(energy.astype(dtype), "TeV").to("GeV"),
    }
    path = write_events(tmp_path / "events.fits", **columns)
    axis = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=2, name="energy")
    center = SkyCoord(0, 0, unit="deg")
    geom = WcsGeom.create(skydir=center, width=3, binsz=0.1, frame=frame, axes=[axis])
    expected = WcsNDMap(geom)
    with fits.open(path) as hdus:
        expected.fill_events(EventListReader.from_gadf_hdu(hdus["EVENTS"]))
    counts = count_on_map(read_events(path), geom)
    assert 0 < counts.data.sum() < n_events
    np.testing.assert_array_equal(counts.data, expected.data)


def test_more_events_than_float32_can_count_one_by_one(tmp_path, monkeypatch):
    events = read_events(write_events(tmp_path / "events.fits"))
    axis = MapAxis.from_energy_bounds("0.01 TeV", "100 TeV", nbin=2, name="energy")
    geom = WcsGeom.create(
        skydir=events.pointing_radec, npix=(20, 20), binsz=1, frame="icrs", axes=[axis]
    )
    expected = count_on_map(events, geom)
    assert expected.data.sum() == 3
    monkeypatch.setattr(map_counts, "MAX_FLOAT32", 3)
    np.testing.assert_array_equal(count_on_map(events, geom).data, expected.data)


def test_changed_events_are_counted_by_gammapy(tmp_path):
    events = read_events(write_events(tmp_path / "events.fits"))
    axis = MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=2, name="energy")
    geom = WcsGeom.create(npix=(2, 2), axes=[axis])
    assert count_on_map(events, geom) is not None
    table = events.table.copy()
    table["ENERGY"][0] = 7
    events.table = table
    assert count_on_map(events, geom) is None
    assert count_on_map(EventList(events.table), geom) is None


def test_metadata_are_those_of_astropy(path):
    content = read_file(path)
    for name, hdu in content.hdus.items():
        if "TFIELDS" in hdu.header:
            assert read_meta(hdu.header) == dict(AstropyTable.read(path, hdu=name).meta)
