"""DL3 files without an index, from folders, globs and lists: the same runs as with an index."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner
from gammapy.data import DataStore

from skyred import Orchestrator, Pipeline
from skyred.cli import main
from skyred.components.archives import open_archive
from skyred.errors import ArchiveError
from skyred.inspection.index import list_run_inputs
from skyred.inspection.run import inspect_run
from skyred.plugins import Plugins
from skyred.run.select import select

# the folder of the files; the folder of the index; the glob of the files
ARCHIVES = {
    "hess": ("hess-dl3-dr1/data", "hess-dl3-dr1", "*.fits.gz"),
    "magic": ("magic/rad_max/data", "magic/rad_max/data", "*DL3*.fits"),
    "cta": ("cta-1dc/data/baseline/gps", "cta-1dc/index/gps", "*.fits*"),
}


@pytest.fixture
def runs(crab_archive: Path, tmp_path: Path) -> Path:
    """Return a folder with copies of the files of two simulated runs, without an index."""
    folder = tmp_path / "runs"
    shutil.copytree(crab_archive / "data", folder)
    return folder


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.fits.gz"))


def obs_ids(location: object) -> list[int]:
    store = open_archive(location if isinstance(location, tuple) else str(location))
    return sorted(store.obs_table["OBS_ID"].tolist())


def configuration(archive: str) -> str:
    return f"""
data:
  sim:
    archive: {archive}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [1 deg, 1 deg]
      bin_size: 0.1 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 2}}
      energy_true: {{min: 1 TeV, max: 10 TeV, bins: 2}}
    make: [{{kind: map}}]
    stack: {{kind: sum}}
"""


@pytest.mark.parametrize("name", ARCHIVES)
def test_table_from_headers_agrees_with_the_index_of_the_archive(name: str, tmp_path: Path) -> None:
    folder, index, pattern = ARCHIVES[name]
    data = Path(os.environ.get("GAMMAPY_DATA", "?"))
    if not (data / folder).is_dir():
        pytest.skip(f"needs $GAMMAPY_DATA/{folder}")
    for path in sorted((data / folder).glob(pattern))[:6]:
        (tmp_path / path.name).symlink_to(path)
    table = open_archive(str(tmp_path)).obs_table
    expected = DataStore.from_dir(data / index).obs_table
    rows = [expected["OBS_ID"].tolist().index(obs_id) for obs_id in table["OBS_ID"].tolist()]
    expected = expected[rows]
    assert len(table) in (2, 4, 6)
    # the positions in the index of H.E.S.S. are in single precision
    assert table.pointing_radec.separation(expected.pointing_radec).arcsec.max() < 0.1
    if "TSTART" in expected.colnames and "MJDREFI" in expected.meta:
        assert np.abs((table.time_start - expected.time_start).sec).max() < 1


def test_folder_without_index_has_the_runs_of_the_index(crab_archive: Path, runs: Path) -> None:
    assert obs_ids(runs) == obs_ids(crab_archive)


def test_subfolders_links_and_lists_of_folders_are_searched(runs: Path, tmp_path: Path) -> None:
    first, second = files_of(runs)
    nights = tmp_path / "nights"
    for number, path in enumerate((first, second)):
        (nights / str(number)).mkdir(parents=True)
        (nights / str(number) / path.name).symlink_to(path)
    assert obs_ids(nights) == obs_ids(runs)
    assert obs_ids((str(nights / "0"), str(second))) == obs_ids(runs)


def test_runs_of_linked_files_have_no_faults(runs: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for path in files_of(runs):
        (links / path.name).symlink_to(path)
    store = open_archive(str(links))
    for run in list_run_inputs(store.hdu_table, store.obs_table):
        assert inspect_run(run).faults == ()


@pytest.mark.parametrize("location", ["runs", "runs/*.fits.gz", "[FIRST, SECOND]", "FIRST"])
def test_runs_of_a_location_in_the_configuration_are_selected(
    location: str, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs.parent)
    for name, path in zip(("FIRST", "SECOND"), files_of(runs), strict=True):
        location = location.replace(name, f"runs/{path.name}")
    tables = Orchestrator(Pipeline.from_yaml(configuration(location))).select()
    assert len(tables["sim"]) == (1 if location.startswith("runs/sim") else 2)


def test_check_and_run_agree_on_a_folder(runs: Path, tmp_path: Path) -> None:
    first, _ = files_of(runs)
    with fits.open(first) as hdus:
        hdus["EFFECTIVE AREA"].data["EFFAREA"][:] = 0
        hdus.writeto(first, overwrite=True)
    path = tmp_path / "analysis.yaml"
    path.write_text(configuration(str(runs)), encoding="utf-8")
    outcomes = {
        command: CliRunner().invoke(main, [*command.split(), str(path)])
        for command in ("check", f"run -o {tmp_path / 'out'}")
    }
    folder_outcome = CliRunner().invoke(main, ["check", str(runs)])
    for outcome in (*outcomes.values(), folder_outcome):
        assert outcome.exit_code == 3, outcome.output
        assert "[EFFECTIVE AREA]: the checksum of the data differs" in outcome.output


def test_other_fits_files_are_listed_in_a_warning(
    runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fits.PrimaryHDU(data=np.zeros((2, 2))).writeto(runs / "map.fits")
    (runs / "notes.txt").write_text("no FITS file")
    (runs / ".hidden.fits").write_text("no FITS file")
    os.mkfifo(runs / "pipe.fits")
    with caplog.at_level("WARNING"):
        assert len(obs_ids(runs)) == 2
    assert "not used: FITS files without events" in caplog.text
    assert "map.fits" in caplog.text
    assert "notes.txt" not in caplog.text


def test_listed_file_without_events_is_an_error(runs: Path) -> None:
    path = runs / "map.fits"
    fits.PrimaryHDU(data=np.zeros((2, 2))).writeto(path)
    for location in (str(path), (str(path), str(files_of(runs)[0]))):
        with pytest.raises(ArchiveError, match="no EVENTS extension; expected DL3 files, or their"):
            open_archive(location)


def test_unreadable_file_of_a_folder_is_an_error(runs: Path) -> None:
    (runs / "broken.fits").write_bytes(b"\0" * 100)
    with pytest.raises(ArchiveError, match=r"broken\.fits cannot be read .* leave it out"):
        open_archive(str(runs))


@pytest.mark.parametrize("value", [None, "first", "12 a"])
def test_invalid_observation_id_is_an_error(runs: Path, value: str | None) -> None:
    first, _ = files_of(runs)
    with fits.open(first) as hdus:
        del hdus["EVENTS"].header["OBS_ID"]
        if value:
            hdus["EVENTS"].header["OBS_ID"] = value
        hdus.writeto(first, overwrite=True)
    with pytest.raises(ArchiveError, match=first.name):
        open_archive(str(runs))


def test_index_in_a_subfolder_is_suggested(crab_archive: Path, tmp_path: Path) -> None:
    shutil.copytree(crab_archive, tmp_path / "root" / "archive")
    with pytest.raises(ArchiveError, match=r"specify one of them .*archive/hdu-index\.fits\.gz"):
        open_archive(str(tmp_path / "root"))


def test_index_in_the_folder_index_is_used(crab_archive: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(crab_archive / "data", archive / "data")
    copy_index(crab_archive, archive / "index" / "gps")
    assert obs_ids(archive) == obs_ids(crab_archive)
    outcome = CliRunner().invoke(main, ["check", str(archive)])
    assert outcome.exit_code == 0, outcome.output
    assert "2 runs inspected, none with faults" in outcome.output
    names: dict[str, Any] = {}
    exec(Pipeline.from_yaml(configuration(str(archive))).to_script(), names)
    assert len(names["reduce_sim"]()) == 1
    copy_index(crab_archive, archive / "index" / "agn")
    with pytest.raises(ArchiveError, match=r"specify one of them .*index/agn/hdu-index.*index/gps"):
        open_archive(str(archive))


def copy_index(archive: Path, folder: Path) -> None:
    """Copy an index to a folder beside that of the data, two levels below the archive."""
    folder.mkdir(parents=True)
    table = Table.read(archive / "hdu-index.fits.gz")
    table["FILE_DIR"] = [f"../../{name}" for name in table["FILE_DIR"]]
    table.write(folder / "hdu-index.fits.gz")
    shutil.copy(archive / "obs-index.fits.gz", folder)


@pytest.mark.parametrize("suffix", ["", "-prod3"])
def test_files_of_a_selection_include_the_index(
    suffix: str, crab_archive: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(crab_archive, archive)
    indices = {archive / f"{name}-index{suffix}.fits.gz" for name in ("hdu", "obs")}
    for path in indices if suffix else ():
        (archive / path.name.replace(suffix, "")).rename(path)
    location = str(archive / f"hdu-index{suffix}.fits.gz")
    for name in ("hdu-index-other.fits.gz", "obs-index-other.fits.gz"):
        (archive / name).touch()
    assert set(selected_files(location)) == indices | {*files_of(archive / "data")}


def test_files_of_a_selection_without_an_index_are_those_of_the_runs(runs: Path) -> None:
    assert set(selected_files(str(runs))) == {*files_of(runs)}


def selected_files(location: str) -> list[Path]:
    reduction = Pipeline.from_yaml(configuration(location)).data["sim"]
    return select("sim", reduction, Plugins.load()).files


def test_folder_with_an_index_in_a_list_is_rejected(crab_archive: Path, runs: Path) -> None:
    with pytest.raises(ArchiveError, match="is a folder with an index, which cannot be combined"):
        open_archive((str(crab_archive), str(files_of(runs)[0])))


def test_glob_without_matches_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"no file matches the archive .*run\*\.fits"):
        open_archive(str(tmp_path / "run*.fits"))


@pytest.mark.parametrize("unit", ["s", "d", "min"])
def test_files_with_different_time_references_keep_their_times(runs: Path, unit: str) -> None:
    expected = open_archive(str(runs)).obs_table
    with fits.open(files_of(runs)[1]) as hdus:
        for hdu in (hdus["EVENTS"], hdus["GTI"]):
            hdu.header["MJDREFI"] -= 100
            hdu.header["TIMEUNIT"] = unit
        for name in ("TSTART", "TSTOP"):
            seconds = hdus["EVENTS"].header[name] + 100 * 86400
            hdus["EVENTS"].header[name] = seconds / u.Unit(unit).to("s")
        hdus.writeto(files_of(runs)[1], overwrite=True)
    table = open_archive(str(runs)).obs_table
    # float64 rounding of MJD in days is about 1 us
    assert np.abs((table.time_start - expected.time_start).sec).max() < 1e-4
    assert np.abs((table.time_stop - expected.time_stop).sec).max() < 1e-4


@pytest.mark.parametrize(("unit", "seconds"), [("D", 86400), ("debye", None)])
def test_unknown_unit_of_time_leaves_out_the_times(
    unit: str, seconds: float | None, runs: Path
) -> None:
    header = fits.getheader(files_of(runs)[1], "EVENTS")
    start = header["TSTART"]
    expected = open_archive(str(runs)).obs_table["TSTART"][1]
    with fits.open(files_of(runs)[1]) as hdus:
        for name in ("TSTART", "TSTOP"):
            hdus["EVENTS"].header[name] /= seconds or 1
        hdus["EVENTS"].header["TIMEUNIT"] = unit
        hdus.writeto(files_of(runs)[1], overwrite=True)
    actual = open_archive(str(runs)).obs_table["TSTART"][1]
    if seconds is None:
        assert np.ma.is_masked(actual)
    else:
        assert actual == pytest.approx(expected, abs=1e-3)
        assert actual == pytest.approx(start, abs=1e-3)


def test_files_with_different_time_scales_are_rejected(runs: Path) -> None:
    with fits.open(files_of(runs)[1]) as hdus:
        hdus["EVENTS"].header["TIMESYS"] = "UTC"
        hdus.writeto(files_of(runs)[1], overwrite=True)
    with pytest.raises(ArchiveError, match="different time scales"):
        open_archive(str(runs))
