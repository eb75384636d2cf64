"""Folders, index files and event files give the same runs; invalid archives are reported."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table, vstack
from gammapy.data import DataStore

import plain_gammapy
from skyred import Orchestrator, Pipeline
from skyred.components.archives import open_archive
from skyred.errors import ArchiveError, ConfigError, RunsFailedError
from skyred.plugins import Plugins

data = pytest.mark.data
RUNS = (23523, 23526)


def event_files() -> tuple[str, ...]:
    return tuple(
        str(plain_gammapy.archive() / "data" / f"hess_dl3_dr1_obs_id_{run:06d}.fits.gz")
        for run in RUNS
    )


def magic_folder() -> Path:
    folder = Path(os.environ.get("GAMMAPY_DATA", ""), "magic", "rad_max", "data")
    if not folder.is_dir():
        pytest.skip("needs $GAMMAPY_DATA/magic/rad_max")
    return folder


def assert_same_run(run, expected):
    assert run.obs_id == expected.obs_id
    assert set(run.available_irfs) == set(expected.available_irfs)
    table, expected_table = run.events.table, expected.events.table
    assert table.colnames == expected_table.colnames
    for name in ("EVENT_ID", "RA", "DEC", "ENERGY"):
        np.testing.assert_array_equal(table[name].data, expected_table[name].data)
    np.testing.assert_array_equal(table["TIME"].mjd, expected_table["TIME"].mjd)
    for name in run.available_irfs:
        irf, expected_irf = getattr(run, name), getattr(expected, name)
        assert type(irf) is type(expected_irf)
        if hasattr(irf, "quantity"):
            np.testing.assert_array_equal(irf.quantity, expected_irf.quantity)
        assert irf.axes == expected_irf.axes
    assert run.observation_live_time_duration == expected.observation_live_time_duration
    assert run.get_pointing_icrs(run.tmid).separation(
        expected.get_pointing_icrs(expected.tmid)
    ).deg == pytest.approx(0, abs=1e-9)
    assert str(run.gti) == str(expected.gti)


@data
class TestStore:
    def test_folder_is_opened_as_a_data_store(self):
        store = open_archive(str(plain_gammapy.archive()))
        expected = DataStore.from_dir(plain_gammapy.archive())
        assert store.obs_table["OBS_ID"].tolist() == expected.obs_table["OBS_ID"].tolist()
        assert len(store.hdu_table) == len(expected.hdu_table)

    def test_index_file_opens_the_store_of_its_folder(self):
        index = open_archive(str(plain_gammapy.archive() / "hdu-index.fits.gz"))
        folder = open_archive(str(plain_gammapy.archive()))
        assert index.obs_table["OBS_ID"].tolist() == folder.obs_table["OBS_ID"].tolist()
        assert_same_run(index.obs(RUNS[0]), folder.obs(RUNS[0]))

    def test_files_have_the_same_runs_as_the_folder(self):
        from_files, folder = open_archive(event_files()), open_archive(str(plain_gammapy.archive()))
        assert from_files.obs_table["OBS_ID"].tolist() == list(RUNS)
        for run in RUNS:
            assert_same_run(from_files.obs(run), folder.obs(run))

    def test_one_file_is_an_archive_of_one_run(self):
        store = open_archive(event_files()[0])
        assert store.obs_table["OBS_ID"].tolist() == [RUNS[0]]

    def test_observation_table_of_files_has_the_columns_that_selectors_use(self):
        table = open_archive(event_files()).obs_table
        expected = DataStore.from_dir(plain_gammapy.archive()).obs_table
        expected = expected[np.isin(expected["OBS_ID"], RUNS)]
        # the pointings in the index are in single precision
        separation = table.pointing_radec.separation(expected.pointing_radec)
        assert separation.arcsec.max() < 1
        assert np.abs((table.time_start - expected.time_start).sec).max() < 1
        assert table["TSTART"].unit == "s"

    def test_files_reduce_to_the_same_dataset_as_the_folder(self):
        yaml_text = plain_gammapy.EXAMPLE.read_text()

        def reduce(archive):
            overrides = [f"data.hess.archive={archive}", "data.hess.geometry.bin_size=0.1 deg"]
            orchestrator = Orchestrator(Pipeline.from_yaml(yaml_text, overrides=overrides))
            orchestrator.select()
            orchestrator.observations = {"hess": orchestrator.observations["hess"][:1]}
            return orchestrator.reduce()["hess"]

        from_files, from_folder = (
            reduce(f"[{', '.join(event_files())}]"),
            reduce("$GAMMAPY_DATA/hess-dl3-dr1"),
        )
        for name, array in plain_gammapy.arrays(from_files).items():
            np.testing.assert_array_equal(array, plain_gammapy.arrays(from_folder)[name])


@data
class TestPointLike:
    def test_folder_opens_with_point_like_irfs(self):
        store = open_archive(str(magic_folder()))
        observation = store.obs(5029747, required_irf="point-like")
        assert set(observation.available_irfs) == {"aeff", "edisp", "rad_max"}

    def test_files_have_the_same_runs_as_the_folder(self):
        paths = tuple(str(path) for path in sorted(magic_folder().glob("*DL3*.fits")))
        from_files, folder = open_archive(paths), open_archive(str(magic_folder()))
        for run in (5029747, 5029748):
            assert_same_run(
                from_files.obs(run, required_irf="point-like"),
                folder.obs(run, required_irf="point-like"),
            )

    def create_pipeline(self, *overrides):
        overrides = [f"data.hess.archive={magic_folder()}", *overrides]
        return Pipeline.from_yaml(plain_gammapy.EXAMPLE.read_text(), overrides=overrides)

    MAPS = "data.hess.make=[{kind: map, parts: [counts, exposure, edisp]}]"

    @pytest.mark.parametrize(
        ("irfs", "gammapys"),
        [
            ("point-like", "point-like"),
            ("[]", []),
            ("[rad_max]", ["rad_max", "aeff", "edisp"]),
            ("[aeff, psf]", ["aeff", "psf"]),
            ("full-enclosure", "full-enclosure"),
        ],
    )
    def test_runs_with_the_required_irfs_are_those_of_gammapy(self, irfs, gammapys):
        orchestrator = Orchestrator(self.create_pipeline(self.MAPS, f"data.hess.irfs={irfs}"))
        orchestrator.select()
        store = open_archive(str(magic_folder()))
        expected = store.get_observations(required_irf=gammapys)
        assert orchestrator.observations["hess"].ids == expected.ids

    def test_irfs_of_the_makers_are_required_with_fewer_irfs_too(self):
        orchestrator = Orchestrator(self.create_pipeline("data.hess.irfs=[aeff]"))
        with pytest.raises(RunsFailedError, match="5029747 failed"):
            orchestrator.reduce()

    def test_runs_without_needed_irfs_fail_and_the_reason_is_logged(self):
        orchestrator = Orchestrator(self.create_pipeline())
        with pytest.raises(RunsFailedError, match="5029747 failed"):
            orchestrator.reduce()
        outcomes = orchestrator.result().outcomes
        assert [outcome.status for outcome in outcomes] == ["failed", "failed"]
        for outcome in outcomes:
            assert "psf" in outcome.reason
            assert "bkg" in outcome.reason


class TestErrors:
    def test_missing_folder_is_reported(self, tmp_path):
        with pytest.raises(ArchiveError, match=r"no such archive: .*nowhere"):
            open_archive(str(tmp_path / "nowhere"))

    def test_missing_file_of_a_list_is_reported(self, tmp_path):
        with pytest.raises(ArchiveError, match=r"no such file: .*run\.fits"):
            open_archive((str(tmp_path / "run.fits"),))

    def test_folder_without_index_or_files_is_reported(self, tmp_path):
        with pytest.raises(ArchiveError, match="is not a DL3 archive: it has no hdu-index"):
            open_archive(str(tmp_path))

    @data
    def test_missing_obs_index_is_reported(self, tmp_path):
        (tmp_path / "hdu-index.fits.gz").symlink_to(plain_gammapy.archive() / "hdu-index.fits.gz")
        with pytest.raises(ArchiveError, match="but no obs-index"):
            open_archive(str(tmp_path))

    @pytest.mark.parametrize("name", ["notes.txt", "image.fits"])
    def test_file_that_is_not_dl3_is_reported(self, tmp_path, name):
        path = tmp_path / name
        if name.endswith(".fits"):
            fits.PrimaryHDU(data=np.zeros((2, 2))).writeto(path)
        else:
            path.write_text("\n" * 200)
        with pytest.raises(ArchiveError, match=name):
            open_archive(str(path))

    def test_empty_file_is_reported(self, tmp_path):
        path = tmp_path / "empty.fits"
        path.touch()
        with pytest.raises(ArchiveError, match=r"empty\.fits"):
            open_archive(str(path))

    def test_invalid_index_file_is_reported(self, tmp_path):
        for name in ("hdu-index.fits.gz", "obs-index.fits.gz"):
            (tmp_path / name).write_text("")
        with pytest.raises(ArchiveError, match="hdu-index"):
            open_archive(str(tmp_path))

    def test_unknown_scheme_is_reported(self):
        with pytest.raises(ArchiveError, match="no plugin can open 'vo:hess'"):
            Plugins.load().open_archive("vo:hess")

    def test_unset_environment_variable_is_reported(self, monkeypatch):
        monkeypatch.delenv("GAMMAPY_DATA", raising=False)
        with pytest.raises(ConfigError, match="GAMMAPY_DATA is not set"):
            Pipeline.from_yaml(plain_gammapy.EXAMPLE)

    @data
    def test_empty_selection_is_reported(self):
        overrides = ["data.hess.select.0.center=[0 deg, 89 deg]"]
        orchestrator = Orchestrator(Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides))
        with pytest.raises(ArchiveError, match=r"no observation is left after .*'cone' \(105 in"):
            orchestrator.select()

    @data
    def test_file_listed_twice_is_used_once_with_a_warning(self, caplog):
        with caplog.at_level("WARNING"):
            store = open_archive((*event_files(), event_files()[0]))
        assert store.obs_table["OBS_ID"].tolist() == list(RUNS)
        assert store.hdu_table["OBS_ID"].tolist().count(RUNS[0]) == 6
        assert "023523.fits.gz is listed twice: it is used once" in caplog.text

    @data
    def test_two_files_of_one_run_are_rejected(self, tmp_path):
        path = tmp_path / "copy.fits.gz"
        path.write_bytes(Path(event_files()[0]).read_bytes())
        with pytest.raises(ArchiveError, match=r"copy\.fits\.gz both contain run 23523"):
            open_archive((event_files()[0], str(path)))


@data
def test_run_listed_twice_in_the_index_is_used_once_with_a_warning(tmp_path, caplog):
    table = Table.read(plain_gammapy.archive() / "obs-index.fits.gz")[:2]
    shutil.copy(plain_gammapy.archive() / "hdu-index.fits.gz", tmp_path)
    vstack([table, table[:1]]).write(tmp_path / "obs-index.fits.gz")
    store = open_archive(str(tmp_path))
    assert len(store.obs_table) == 2
    assert f"several rows for the runs {table['OBS_ID'][0]}" in caplog.text
