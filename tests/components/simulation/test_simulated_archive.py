"""The content of a simulated archive, read with gammapy and astropy."""

import json
import stat
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from gammapy.data import DataStore
from gammapy.modeling.models import Models

from skyred.components.simulation import files, observations
from skyred.components.simulation.archive import CrabSimulation
from skyred.components.simulation.observations import simulate_run
from skyred.io.checksums import SUMS, find_damage


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def run_bytes(number, seed=42):
    observation = simulate_run(number, livetime=2.0, seed=seed)
    return files.fits_bytes(files.observation_hdus(observation))


@pytest.mark.slow
def test_equal_simulations_have_equal_bytes(archive, simulation, tmp_path):
    second_archive = simulation.write(tmp_path / "second")
    assert contents(second_archive) == contents(archive)


def test_run_is_independent_of_other_runs(archive):
    assert run_bytes(1) == (archive / "data/sim_crab_obs_id_900002.fits.gz").read_bytes()


def test_events_depend_on_the_seed(archive, other_run):
    events = DataStore.from_dir(archive).obs(900001).events
    assert set(events.time.mjd).isdisjoint(other_run.events.time.mjd)


def test_archive_contains_exactly_the_listed_files(archive, simulation):
    assert set(contents(archive)) == {*simulation.files, SUMS}
    assert find_damage(archive, simulation.files) is None


def test_gammapy_reads_full_enclosure_observations(archive):
    observations = DataStore.from_dir(archive).get_observations(required_irf="full-enclosure")
    assert observations.ids == ["900001", "900002"]
    for observation in observations:
        assert observation.available_irfs == ["aeff", "edisp", "psf", "bkg"]
        assert observation.observation_live_time_duration.to_value("s") == pytest.approx(120)
        assert observation.gti.time_start[0] <= observation.events.time.min()
        assert observation.events.time.max() <= observation.gti.time_stop[0]
        offset = observation.get_pointing_icrs(observation.tmid).separation(
            Models.read(archive / "models.yaml")[0].position
        )
        assert offset.deg == pytest.approx(0.5)


def test_observation_index_agrees_with_the_files(archive):
    store = DataStore.from_dir(archive)
    for row, observation in zip(store.obs_table, store.get_observations(), strict=True):
        assert row["EVENT_COUNT"] == len(observation.events.table)
        assert row["LIVETIME"] == observation.events.table.meta["LIVETIME"]
        assert row["ALT_PNT"] > 30


def test_written_irfs_are_equal_to_the_simulated_irfs(archive, other_run):
    stored_run = DataStore.from_dir(archive).obs(900001)
    for name in stored_run.available_irfs:
        np.testing.assert_array_equal(getattr(stored_run, name).data, getattr(other_run, name).data)


def test_events_have_the_id_of_their_model(archive):
    events = DataStore.from_dir(archive).obs(900001).events.table
    assert set(np.unique(events["MC_ID"])) == {0, 1}
    source = events[events["MC_ID"] == 1]
    assert source["RA_TRUE"].quantity.to_value("deg") == pytest.approx(83.63308, abs=0.02)
    assert source["DEC_TRUE"].quantity.to_value("deg") == pytest.approx(22.0145, abs=0.02)
    assert len(set(events["EVENT_ID"])) == len(events)


def test_true_parameters_and_models_agree(archive, simulation):
    truth = json.loads((archive / "truth.json").read_text())
    assert truth == simulation.truth()
    (model,) = Models.read(archive / "models.yaml")
    assert model.name == truth["source"]
    assert model.spatial_model.frame == truth["frame"]
    for name, value in truth["parameters"].items():
        assert u.isclose(model.parameters[name].quantity, u.Quantity(**value), rtol=1e-12)
    assert truth["background_norm"] == 1
    assert (truth["seed"], truth["runs"]) == (42, 2)


def test_files_are_verified_without_warnings(archive):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in archive.rglob("*.fits.gz"):
            with fits.open(path, checksum=True) as hdus:
                hdus.verify("exception")
                for hdu in hdus:
                    assert {"CHECKSUM", "DATASUM"} <= set(hdu.header)
                    assert not any(key.startswith("TNULL") for key in hdu.header)


def test_run_without_events_has_an_empty_event_list():
    observation = simulate_run(0, livetime=1e-6, seed=42)
    assert len(observation.events.table) == 0
    assert files.fits_bytes(files.observation_hdus(observation))


def test_interrupted_simulation_leaves_no_files(monkeypatch, tmp_path, simulation, other_run):
    file_names = []

    def simulate_run_and_interrupt(number, *, livetime, seed):
        file_names.append(sorted(path.name for path in tmp_path.rglob("*")))
        if number == 1:
            raise KeyboardInterrupt
        return other_run

    monkeypatch.setattr(observations, "simulate_run", simulate_run_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        simulation.write(tmp_path / "archive")
    assert "sim_crab_obs_id_900001.fits.gz" in file_names[1]
    assert "archive" not in file_names[1]
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_not_overwritten(tmp_path, simulation):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileExistsError, match="already exists"):
        simulation.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_file_modes_follow_the_umask(archive, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (archive, *archive.rglob("*")):
        reference = tmp_path / ("folder" if path.is_dir() else "file")
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(reference.stat().st_mode)


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", -1), ("seed", 1.0), ("runs", 0), ("runs", True), ("livetime", 0), ("livetime", "2")],
)
def test_invalid_value_is_rejected(field, value):
    with pytest.raises(ValueError, match=f"^{field} is .*; expected "):
        CrabSimulation(**{field: value})
