"""An observation from inspected bytes equals the one that gammapy reads."""

import shutil
from pathlib import Path

import attrs
import numpy as np
import pytest
from gammapy.data import DataStore, Observation

import plain_gammapy as plain
from skyred.components.simulation.archive import CrabSimulation
from skyred.inspection.index import list_run_inputs
from skyred.inspection.run import inspect_run
from skyred.run.worker.open_observation import open_in_memory


@attrs.frozen
class Pair:
    """An observation read by gammapy, and the same one from memory."""

    read: Observation
    in_memory: Observation


@pytest.fixture(scope="module", params=["hess", "simulated"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("archive") / "archive"
    if request.param == "simulated":
        CrabSimulation(runs=1, livetime=2).write(folder)
    elif not plain.archive().is_dir():
        pytest.skip("needs $GAMMAPY_DATA/hess-dl3-dr1")
    else:
        _copy_run(23523, folder)
    copy_folder = folder.with_name("copy")
    shutil.copytree(folder, copy_folder)
    store = DataStore.from_dir(folder)
    (run,) = list_run_inputs(store.hdu_table, store.obs_table)
    own = store.obs(run.obs_id)
    in_memory = open_in_memory(own, inspect_run(run).hdus)
    shutil.rmtree(folder)  # from here on, only data in memory can be read
    return Pair(DataStore.from_dir(copy_folder).obs(run.obs_id), in_memory)


def _copy_run(obs_id: int, folder: Path) -> None:
    store = DataStore.from_dir(plain.archive())
    hdus = store.hdu_table[store.hdu_table["OBS_ID"] == obs_id]
    table = store.obs_table[store.obs_table["OBS_ID"] == obs_id]
    for row in hdus:
        path = folder / str(row["FILE_DIR"]).strip() / str(row["FILE_NAME"]).strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(plain.archive() / path.relative_to(folder), path)
    for name, index in (("hdu", hdus), ("obs", table)):
        index.write(folder / f"{name}-index.fits.gz")


@pytest.mark.parametrize("name", ["aeff", "edisp", "psf", "bkg"])
def test_irfs_are_equal(pair: Pair, name: str) -> None:
    read, in_memory = getattr(pair.read, name), getattr(pair.in_memory, name)
    assert type(in_memory) is type(read)
    assert in_memory.unit == read.unit
    assert in_memory.axes.names == read.axes.names
    assert all(
        np.array_equal(in_memory.axes[axis].edges, read.axes[axis].edges)
        for axis in read.axes.names
    )
    np.testing.assert_array_equal(in_memory.data, read.data)


def test_alignment_of_the_background_is_equal(pair: Pair) -> None:
    assert pair.in_memory.bkg.fov_alignment == pair.read.bkg.fov_alignment


def test_events_are_equal(pair: Pair) -> None:
    read, in_memory = pair.read.events, pair.in_memory.events
    assert in_memory.table.colnames == read.table.colnames
    np.testing.assert_array_equal(in_memory.energy, read.energy)
    np.testing.assert_array_equal(in_memory.radec.ra, read.radec.ra)
    np.testing.assert_array_equal(in_memory.time.mjd, read.time.mjd)


def test_times_pointing_and_metadata_are_equal(pair: Pair) -> None:
    read, in_memory = pair.read, pair.in_memory
    np.testing.assert_array_equal(in_memory.gti.time_start.mjd, read.gti.time_start.mjd)
    np.testing.assert_array_equal(in_memory.gti.time_stop.mjd, read.gti.time_stop.mjd)
    assert in_memory.observation_live_time_duration == read.observation_live_time_duration
    actual, expected = (
        observation.get_pointing_icrs(read.tmid) for observation in (in_memory, read)
    )
    assert actual.separation(expected).deg == 0
    actual, expected = (observation.meta.to_header() for observation in (in_memory, read))
    assert actual | {"CREATED": ""} == expected | {"CREATED": ""}  # time of the call


def test_parts_are_read_once(pair: Pair) -> None:
    assert pair.in_memory.aeff is pair.in_memory.aeff
    assert pair.in_memory.available_irfs == pair.read.available_irfs
