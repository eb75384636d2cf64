"""IRF files that runs share are checked once, with the same findings for each run."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path

import attrs
import numpy as np
import pytest
from astropy.io import fits

import plain_gammapy
import skyred.inspection.run
from skyred.inspection.file_content import read_file
from skyred.inspection.records import IndexedHdu, RunInput
from skyred.inspection.run import inspect_run
from skyred.inspection.shared_files import SharedFiles
from skyred.io.captured_warnings import capture_warnings
from skyred.run.worker.gadf_tables import read_irf

pytestmark = pytest.mark.data

HDUS = {
    "events": ("events", "EVENTS"),
    "gti": ("gti", "GTI"),
    "aeff": ("aeff_2d", "EFFECTIVE AREA"),
    "psf": ("psf_3gauss", "POINT SPREAD FUNCTION"),
    "edisp": ("edisp_2d", "ENERGY DISPERSION"),
    "bkg": ("bkg_3d", "BACKGROUND"),
}


@pytest.fixture
def archive() -> Path:
    folder = plain_gammapy.archive().parent / "cta-1dc"
    if not folder.is_dir():
        pytest.skip(f"needs $GAMMAPY_DATA: there is no folder {folder}")
    return folder


@pytest.fixture
def irf_file(archive: Path, tmp_path: Path) -> Path:
    source = archive / "caldb/data/cta/1dc/bcf/South_z20_50h/irf_file.fits"
    path = tmp_path / "irfs.fits"
    shutil.copyfile(source, path)
    path.chmod(0o600)
    return path


@pytest.fixture
def runs(archive: Path, irf_file: Path) -> list[RunInput]:
    """Return two runs of CTA-1DC with the same file of IRFs."""
    folder = archive / "data/baseline/gps"
    return [
        RunInput(
            obs_id,
            tuple(
                IndexedHdu(
                    hdu_type,
                    hdu_class,
                    folder / f"gps_baseline_{obs_id}.fits"
                    if hdu_type in ("events", "gti")
                    else irf_file,
                    name,
                )
                for hdu_type, (hdu_class, name) in HDUS.items()
            ),
        )
        for obs_id in (110380, 111140)
    ]


@pytest.fixture(autouse=True)
def shared_files(monkeypatch: pytest.MonkeyPatch) -> SharedFiles:
    files = SharedFiles()
    monkeypatch.setattr(skyred.inspection.run, "SHARED_FILES", files)
    return files


def inspect_alone(run: RunInput, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as context:
        context.setattr(skyred.inspection.run, "SHARED_FILES", SharedFiles())
        return inspect_run(run)


def change_area(path: Path, value: float) -> None:
    with fits.open(path, mode="update") as hdus:
        hdus["EFFECTIVE AREA"].data["EFFAREA"][...] = value


def test_findings_of_each_run_are_those_without_sharing(runs, irf_file, monkeypatch) -> None:
    change_area(irf_file, 1.0)  # too small
    inspections = [inspect_run(run) for run in runs]
    assert inspections[0].hdus["aeff"] is inspections[1].hdus["aeff"]
    for run, inspection in zip(runs, inspections, strict=True):
        assert inspection.findings == inspect_alone(run, monkeypatch).findings
        assert {finding.obs_id for finding in inspection.findings} == {run.obs_id}
        assert "area-maximum" in {finding.rule for finding in inspection.findings}


def test_checks_of_a_shared_file_run_once(runs, monkeypatch) -> None:
    calls = []
    check_response = skyred.inspection.run.check_response
    monkeypatch.setattr(
        skyred.inspection.run,
        "check_response",
        lambda response, area: calls.append(response) or check_response(response, area),
    )
    for run in runs * 2:
        inspect_run(run)
    assert len(calls) == 4


def test_changed_file_is_read_and_checked_again(runs, irf_file) -> None:
    first = inspect_run(runs[0])
    change_area(irf_file, 1.0)
    second = inspect_run(runs[1])
    assert "area-maximum" not in {finding.rule for finding in first.findings}
    assert "area-maximum" in {finding.rule for finding in second.findings}
    assert second.run_hdus["aeff"].values("EFFAREA", "m2").max() == 1


def test_file_that_becomes_unreadable_is_a_fault(runs, irf_file) -> None:
    inspect_run(runs[0])
    irf_file.unlink()
    assert any("missing" in str(fault) for fault in inspect_run(runs[1]).faults)


def test_irf_with_the_area_of_another_file_is_checked_again(
    runs, irf_file, tmp_path, monkeypatch
) -> None:
    inspect_run(runs[0])
    shutil.copyfile(irf_file, tmp_path / "area.fits")
    change_area(tmp_path / "area.fits", 0.0)
    hdus = tuple(
        attrs.evolve(hdu, path=tmp_path / "area.fits") if hdu.hdu_type == "aeff" else hdu
        for hdu in runs[1].indexed_hdus
    )
    run = attrs.evolve(runs[1], indexed_hdus=hdus)
    assert inspect_run(run).findings == inspect_alone(run, monkeypatch).findings


def test_files_with_events_are_not_kept(runs, shared_files, irf_file) -> None:
    inspection = inspect_run(runs[0])
    kept_paths = [
        path for path, sha256 in inspection.sha256.items() if shared_files.find(path, sha256)
    ]
    assert kept_paths == [irf_file]


def test_files_of_several_runs_up_to_the_limit_of_bytes_are_kept(irf_file, tmp_path) -> None:
    shutil.copyfile(irf_file, tmp_path / "second.fits")
    files = [read_file(path) for path in (irf_file, tmp_path / "second.fits")]
    for n_files, expected in ((0.5, [False, False]), (1.5, [False, True]), (2.5, [True, True])):
        shared_files = SharedFiles(int(n_files * len(files[0].content)))
        for file in files:
            shared_files.add(file)
            shared_files.find(file.path, file.sha256)  # by the second run
        assert [shared_files.find(file.path, file.sha256) is file for file in files] == expected


def test_only_the_last_file_of_a_single_run_is_kept(irf_file, tmp_path, shared_files) -> None:
    paths = [tmp_path / f"{number}.fits" for number in range(3)]
    for path in paths:
        shutil.copyfile(irf_file, path)
        shared_files.add(read_file(path))
    sha256 = read_file(irf_file).sha256
    assert [shared_files.find(path, sha256) is not None for path in paths] == [False, False, True]


def test_findings_without_a_valid_area_are_not_those_of_an_earlier_area(
    runs, irf_file, tmp_path, monkeypatch
) -> None:
    areas = [tmp_path / f"area-{number}.fits" for number in range(2)]
    for path in areas:
        shutil.copyfile(irf_file, path)
    change_area(areas[1], np.nan)
    runs = [
        attrs.evolve(
            run,
            indexed_hdus=tuple(
                attrs.evolve(hdu, path=path) if hdu.hdu_type == "aeff" else hdu
                for hdu in run.indexed_hdus
            ),
        )
        for run, path in zip(runs, areas, strict=True)
    ]
    inspect_run(runs[0])
    skyred.inspection.run.SHARED_FILES.add(read_file(areas[1]))  # replaces the first area
    gc.collect()
    assert inspect_run(runs[1]).findings == inspect_alone(runs[1], monkeypatch).findings


def test_irfs_of_a_shared_file_can_be_changed_independently(irf_file) -> None:
    file = read_file(irf_file)
    hdu, table = file.hdus["EFFECTIVE AREA"], file.table("EFFECTIVE AREA")
    first, second = (read_irf("aeff_2d", hdu, table) for _ in range(2))
    expected = second.data.copy()
    first.data *= 2
    first.meta["NEW"] = 1
    first.interp_kwargs["fill_value"] = 5
    third = read_irf("aeff_2d", hdu, table)
    for irf in (second, third):
        np.testing.assert_array_equal(irf.data, expected)
        assert "NEW" not in irf.meta
        assert irf.interp_kwargs["fill_value"] == 0.0


def test_scaled_irfs_of_a_shared_file_can_be_changed_independently(irf_file) -> None:
    with fits.open(irf_file, mode="update") as hdus:
        header = hdus["EFFECTIVE AREA"].header
        number = hdus["EFFECTIVE AREA"].columns.names.index("EFFAREA") + 1
        header[f"TSCAL{number}"] = 2.0
    file = read_file(irf_file)
    hdu, table = file.hdus["EFFECTIVE AREA"], file.table("EFFECTIVE AREA")
    assert not table.is_plain("EFFAREA")
    first = read_irf("aeff_2d", hdu, table)
    expected = first.data.copy()
    assert expected.any()
    first.data *= 2
    np.testing.assert_array_equal(read_irf("aeff_2d", hdu, table).data, expected)


def test_each_run_has_the_warnings_of_a_shared_irf(irf_file) -> None:
    with fits.open(irf_file, mode="update") as hdus:
        hdus["BACKGROUND"].header["TUNIT7"] = "s-1 MeV-1 sr-1 foo"
    file = read_file(irf_file)
    hdu, table = file.hdus["BACKGROUND"], file.table("BACKGROUND")
    notes = []
    for _ in range(3):
        with capture_warnings() as run_notes:
            read_irf("bkg_3d", hdu, table)
        notes.append(run_notes)
    assert any("foo" in note for note in notes[0])
    assert notes[0] == notes[1] == notes[2]
