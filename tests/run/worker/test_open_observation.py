"""An observation of the bytes that were inspected is the one that gammapy reads."""

import shutil
from pathlib import Path

import attrs
import numpy as np
import pytest
from gammapy.data import DataStore, Observation

import plain_gammapy as plain
from skyred.components.simulation.archive import CrabSimulation
from skyred.inspection.index import run_inputs
from skyred.inspection.run import inspect_run
from skyred.run.worker.open_observation import open_observation


@attrs.frozen
class Pair:
    """An observation as gammapy reads it, and the same after its archive is gone."""

    read: Observation
    held: Observation


@pytest.fixture(scope="module", params=["hess", "simulated"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("archive") / "archive"
    if request.param == "simulated":
        CrabSimulation(runs=1, livetime=2).write(folder)
    elif not plain.archive().is_dir():
        pytest.skip("needs $GAMMAPY_DATA/hess-dl3-dr1")
    else:
        _copy_run(23523, folder)
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    store = DataStore.from_dir(folder)
    (run,) = run_inputs(store.hdu_table, store.obs_table)
    own = store.obs(run.obs_id)
    held = open_observation(own, inspect_run(run).hdus)
    shutil.rmtree(folder)  # whatever is read from here on is in memory
    return Pair(DataStore.from_dir(kept).obs(run.obs_id), held)


def _copy_run(obs_id: int, folder: Path) -> None:
    store = DataStore.from_dir(plain.archive())
    hdus = store.hdu_table[store.hdu_table["OBS_ID"] == obs_id]
    table = store.obs_table[store.obs_table["OBS_ID"] == obs_id]
    for row in hdus:
        place = folder / str(row["FILE_DIR"]).strip() / str(row["FILE_NAME"]).strip()
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(plain.archive() / place.relative_to(folder), place)
    for name, held in (("hdu", hdus), ("obs", table)):
        held.write(folder / f"{name}-index.fits.gz")


@pytest.mark.parametrize("name", ["aeff", "edisp", "psf", "bkg"])
def test_responses_are_the_same(pair: Pair, name: str) -> None:
    read, held = getattr(pair.read, name), getattr(pair.held, name)
    assert type(held) is type(read)
    assert held.unit == read.unit
    assert held.axes.names == read.axes.names
    assert all(
        np.array_equal(held.axes[axis].edges, read.axes[axis].edges) for axis in read.axes.names
    )
    np.testing.assert_array_equal(held.data, read.data)


def test_the_background_keeps_its_alignment(pair: Pair) -> None:
    assert pair.held.bkg.fov_alignment == pair.read.bkg.fov_alignment


def test_events_are_the_same(pair: Pair) -> None:
    read, held = pair.read.events, pair.held.events
    assert held.table.colnames == read.table.colnames
    np.testing.assert_array_equal(held.energy, read.energy)
    np.testing.assert_array_equal(held.radec.ra, read.radec.ra)
    np.testing.assert_array_equal(held.time.mjd, read.time.mjd)


def test_times_pointing_and_description_are_the_same(pair: Pair) -> None:
    read, held = pair.read, pair.held
    np.testing.assert_array_equal(held.gti.time_start.mjd, read.gti.time_start.mjd)
    np.testing.assert_array_equal(held.gti.time_stop.mjd, read.gti.time_stop.mjd)
    assert held.observation_live_time_duration == read.observation_live_time_duration
    ours, theirs = (each.get_pointing_icrs(read.tmid) for each in (held, read))
    assert ours.separation(theirs).deg == 0
    ours, theirs = (each.meta.to_header() for each in (held, read))
    assert ours | {"CREATED": ""} == theirs | {"CREATED": ""}  # when it was asked for


def test_parts_are_read_once(pair: Pair) -> None:
    assert pair.held.aeff is pair.held.aeff
    assert pair.held.available_irfs == pair.read.available_irfs
