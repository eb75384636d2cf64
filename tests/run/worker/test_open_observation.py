"""Observations created from the inspected bytes equal those that gammapy reads from files."""

import shutil
from pathlib import Path

import attrs
import numpy as np
import pytest
from gammapy.data import DataStore, Observation

import plain_gammapy
from skyred.components.simulation.archive import CrabSimulation
from skyred.inspection.index import list_run_inputs
from skyred.inspection.run import inspect_run
from skyred.run.worker.open_observation import open_in_memory


@attrs.frozen
class Pair:
    """An observation that gammapy reads from files, and the same observation from memory."""

    from_files: Observation
    in_memory: Observation


@pytest.fixture(scope="module", params=["hess", "simulated"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("archive") / "archive"
    if request.param == "simulated":
        CrabSimulation(runs=1, livetime=2).write(folder)
    elif not plain_gammapy.archive().is_dir():
        pytest.skip("needs $GAMMAPY_DATA/hess-dl3-dr1")
    else:
        _copy_run(23523, folder)
    copy_folder = folder.with_name("copy")
    shutil.copytree(folder, copy_folder)
    store = DataStore.from_dir(folder)
    (run,) = list_run_inputs(store.hdu_table, store.obs_table)
    in_memory = open_in_memory(store.obs(run.obs_id), inspect_run(run))
    shutil.rmtree(folder)  # the observation must not read its files
    return Pair(DataStore.from_dir(copy_folder).obs(run.obs_id), in_memory)


def _copy_run(obs_id: int, folder: Path) -> None:
    store = DataStore.from_dir(plain_gammapy.archive())
    hdus = store.hdu_table[store.hdu_table["OBS_ID"] == obs_id]
    table = store.obs_table[store.obs_table["OBS_ID"] == obs_id]
    for row in hdus:
        path = folder / str(row["FILE_DIR"]).strip() / str(row["FILE_NAME"]).strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(plain_gammapy.archive() / path.relative_to(folder), path)
    for name, index in (("hdu", hdus), ("obs", table)):
        index.write(folder / f"{name}-index.fits.gz")


@pytest.mark.parametrize("name", ["aeff", "edisp", "psf", "bkg"])
def test_irfs_are_equal(pair: Pair, name: str) -> None:
    irf, expected = getattr(pair.in_memory, name), getattr(pair.from_files, name)
    assert type(irf) is type(expected)
    assert irf.unit == expected.unit
    assert irf.axes.names == expected.axes.names
    for axis in expected.axes.names:
        assert np.array_equal(irf.axes[axis].edges, expected.axes[axis].edges)
    np.testing.assert_array_equal(irf.data, expected.data)


def test_alignment_of_the_background_is_equal(pair: Pair) -> None:
    assert pair.in_memory.bkg.fov_alignment == pair.from_files.bkg.fov_alignment


def test_events_are_equal(pair: Pair) -> None:
    events, expected = pair.in_memory.events, pair.from_files.events
    assert events.table.colnames == expected.table.colnames
    np.testing.assert_array_equal(events.energy, expected.energy)
    np.testing.assert_array_equal(events.radec.ra, expected.radec.ra)
    np.testing.assert_array_equal(events.time.mjd, expected.time.mjd)


def test_times_pointing_and_metadata_are_equal(pair: Pair) -> None:
    from_files, in_memory = pair.from_files, pair.in_memory
    np.testing.assert_array_equal(in_memory.gti.time_start.mjd, from_files.gti.time_start.mjd)
    np.testing.assert_array_equal(in_memory.gti.time_stop.mjd, from_files.gti.time_stop.mjd)
    assert in_memory.observation_live_time_duration == from_files.observation_live_time_duration
    actual, expected = (
        observation.get_pointing_icrs(from_files.tmid) for observation in (in_memory, from_files)
    )
    assert actual.separation(expected).deg == 0
    actual, expected = (observation.meta.to_header() for observation in (in_memory, from_files))
    assert actual | {"CREATED": ""} == expected | {"CREATED": ""}  # CREATED is the current time


def test_irfs_are_created_once(pair: Pair) -> None:
    assert pair.in_memory.aeff is pair.in_memory.aeff
    assert pair.in_memory.available_irfs == pair.from_files.available_irfs
