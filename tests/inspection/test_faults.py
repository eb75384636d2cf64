"""Faults of input files are reported with the run, the file and the HDU."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from astropy.io import fits
from astropy.table import Table

import plain_gammapy
from fault_injection.archive_damage import INDEX_FILES, TYPE_BY_CLASS, Archive, Damage, find_hdu
from fault_injection.damage_cases import DAMAGE_CASES, IRFS
from skyred.inspection.file_content import read_file
from skyred.inspection.index import list_run_inputs
from skyred.inspection.records import Finding, IndexedHdu, RunInput
from skyred.inspection.run import inspect_run

# messages about damage that is only detected in real IRFs
ONLY_IN_REAL_RUNS = ("flipped bit", "reversed", "neighbouring offsets", "zero above", "MIGRA")
REQUIRED_TYPES = ("events", "gti", "aeff", "edisp", "psf", "bkg")


def inspect(
    folder: Path, *runs: int, required_types: tuple[str, ...] = REQUIRED_TYPES
) -> list[Finding]:
    hdu_table = Table.read(folder / INDEX_FILES["hdu"])
    hdu_table.meta["BASE_DIR"] = str(folder)
    obs_table = Table.read(folder / INDEX_FILES["obs"])
    if runs:
        obs_table = obs_table[[row["OBS_ID"] in runs for row in obs_table]]
    inputs = list_run_inputs(hdu_table, obs_table, required=required_types)
    return [finding for run in inputs for finding in inspect_run(run).findings]


def faults(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "fault"]


def hdu_name(path: Path, hdu_type: str) -> str:
    with fits.open(path) as hdus:
        return str(find_hdu(hdus, hdu_type).name)


def test_undamaged_archive_has_no_findings(crab_archive: Path) -> None:
    assert inspect(crab_archive) == []


@pytest.mark.parametrize("damage", DAMAGE_CASES, ids=lambda damage: damage.name)
def test_damage_is_reported_with_its_level_run_file_and_hdu(
    damage: Damage, crab_archive: Path, tmp_path: Path
) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    other_run, run = archive.runs
    path, name = archive.path(run), damage.hdu_type and hdu_name(archive.path(run), damage.hdu_type)
    damage.apply(archive, run, other_run)
    findings = inspect(archive.folder)
    assert damage.severity == "fault" or faults(findings) == []
    findings = [finding for finding in findings if finding.level == damage.severity]
    run_findings = [finding for finding in findings if finding.obs_id == run]
    assert damage.both_runs or run_findings == findings, "another run has a fault"
    matches = [finding for finding in run_findings if damage.message_part in finding.message]
    assert matches, (
        f"{damage.message_part!r} is not in {[str(finding) for finding in run_findings]}"
    )
    if damage.names_file:
        assert all(finding.file is not None for finding in matches)
        names = {path.name, archive.path(other_run).name}
        assert names & {finding.file.name for finding in matches}
    if damage.hdu_type:
        assert name in {finding.hdu for finding in matches}


def test_small_difference_from_the_event_count_of_the_index_is_a_warning(
    crab_archive: Path, tmp_path: Path
) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")

    def increase_event_count(table: Table) -> Table:
        table["EVENT_COUNT"] += 1
        return table

    archive.change_index("obs", increase_event_count)
    findings = inspect(archive.folder)
    levels = [(finding.obs_id, finding.level) for finding in findings]
    assert levels == [(run, "warning") for run in archive.runs]
    assert all("in the index" in finding.message for finding in findings)


def test_file_that_does_not_match_sha256sums_is_a_fault(crab_archive: Path, tmp_path: Path) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive", checksums=True)
    assert inspect(archive.folder) == []
    run = archive.runs[1]
    archive.change_file(run, lambda content: gzip.compress(gzip.decompress(content), 1))
    (finding,) = inspect(archive.folder)
    assert (finding.obs_id, finding.file) == (run, archive.path(run))
    assert "SHA256SUMS" in finding.message


def test_file_that_changed_since_the_last_inspection_is_a_fault(crab_archive: Path) -> None:
    hdu_table = Table.read(crab_archive / INDEX_FILES["hdu"])
    hdu_table.meta["BASE_DIR"] = str(crab_archive)
    run = list_run_inputs(hdu_table, Table.read(crab_archive / INDEX_FILES["obs"]))[0]
    sha256 = inspect_run(run).sha256
    assert inspect_run(run, sha256).faults == ()
    (finding,) = inspect_run(run, dict.fromkeys(sha256, "0" * 64)).faults
    assert "changed" in finding.message


def test_inspected_bytes_are_returned(crab_archive: Path) -> None:
    hdu_table = Table.read(crab_archive / INDEX_FILES["hdu"])
    hdu_table.meta["BASE_DIR"] = str(crab_archive)
    run = list_run_inputs(hdu_table, Table.read(crab_archive / INDEX_FILES["obs"]))[0]
    inspection = inspect_run(run)
    assert set(inspection.hdus) == set(REQUIRED_TYPES)
    with fits.open(run.files[0]) as hdus:
        for hdu_type in REQUIRED_TYPES:
            hdu = find_hdu(hdus, hdu_type)
            assert inspection.hdus[hdu_type].open().data.tobytes() == hdu.data.tobytes()
    assert set(inspection.sha256) == set(run.files)


@pytest.mark.data
class TestRealRuns:
    @pytest.mark.slow
    def test_105_runs_of_hess_have_no_faults_and_35_notes(self) -> None:
        findings = inspect(plain_gammapy.archive())
        assert faults(findings) == []
        notes = [finding.message.split(" (")[0] for finding in findings]
        assert notes.count("EFFAREA has negative values") == 13
        assert notes.count("RPSF has negative values") == 22

    @pytest.mark.parametrize(
        "damage",
        [damage for damage in IRFS if damage.message_part in ONLY_IN_REAL_RUNS],
        ids=lambda damage: damage.name,
    )
    def test_damaged_irf_is_a_fault(self, damage: Damage, tmp_path: Path) -> None:
        run, name = 23523, f"hess_dl3_dr1_obs_id_{23523:06d}.fits.gz"
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / name).write_bytes(
            (plain_gammapy.archive() / "data" / name).read_bytes()
        )
        for index in INDEX_FILES.values():
            (tmp_path / index).write_bytes((plain_gammapy.archive() / index).read_bytes())
        damage.apply(Archive(tmp_path), run, run)
        findings = faults(inspect(tmp_path, run))
        assert any(
            damage.message_part in finding.message and finding.hdu == damage.hdu_type.upper()
            for finding in findings
        ), [str(finding) for finding in findings]

    @pytest.mark.data("magic")
    def test_point_like_runs_of_magic_have_no_faults(self) -> None:
        folder = plain_gammapy.archive().parent / "magic" / "rad_max" / "data"
        assert (
            faults(inspect(folder, required_types=("events", "gti", "aeff", "edisp", "rad_max")))
            == []
        )

    @pytest.mark.data("cta-caldb")
    @pytest.mark.parametrize("array", ["South", "North"])
    def test_irfs_of_cta_have_no_faults(self, array: str) -> None:
        (path,) = (plain_gammapy.archive().parent / "cta-caldb").glob(f"Prod5-{array}*.fits.gz")
        with fits.open(path) as hdus:
            hdus_by_type = {TYPE_BY_CLASS[hdu.header["HDUCLAS2"]]: hdu for hdu in hdus[1:]}
            indexed_hdus = [
                IndexedHdu(hdu_type, hdu.header["HDUCLAS4"].lower(), path, hdu.name)
                for hdu_type, hdu in hdus_by_type.items()
            ]
        inspection = inspect_run(RunInput(1, tuple(indexed_hdus)))
        assert inspection.faults == ()
        assert set(inspection.hdus) == {"aeff", "psf", "edisp", "bkg"}


def test_read_file_reports_missing_file_and_folder_as_findings(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        (finding,) = read_file(path).findings
        assert finding.file == path


def test_header_card_with_code_is_a_fault_of_the_file(crab_archive: Path, tmp_path: Path) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    _, run = archive.runs
    code = "(__import__('os').abort(), (4, 4))[1]"
    archive.change_hdu(run, "psf", lambda hdu: hdu.header.set("WCSSHAPE", code))
    findings = [fault for fault in faults(inspect(archive.folder)) if fault.obs_id == run]
    assert any("WCSSHAPE" in fault.message and not fault.hdu for fault in findings)
