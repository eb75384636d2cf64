"""The command `check`: inspected files, output and exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from astropy.table import Table
from click.testing import CliRunner, Result

from fault_injection.archive_damage import Archive
from fault_injection.damage_cases import IRFS
from skyred import Orchestrator, Pipeline
from skyred.cli import main
from skyred.cli.check import _report
from skyred.errors import RunsFailedError
from skyred.inspection.records import Finding
from skyred.inspection.rules import RULES

RUN, OTHER_RUN = 900002, 900001
ZERO_AREA = next(damage for damage in IRFS if damage.name == "aeff all 0.0")


@pytest.fixture
def damaged_archive(crab_archive: Path, tmp_path: Path) -> Archive:
    """Return an archive in which the effective area of `RUN` is 0."""
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    ZERO_AREA.apply(archive, RUN, OTHER_RUN)
    return archive


def invoke_check(*args: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, args)])


def write_configuration(folder: Path, archive: Path, select: str = "[]") -> Path:
    path = folder / "analysis.yaml"
    path.write_text(
        f"""
data:
  sim:
    archive: {archive}
    select: {select}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [1 deg, 1 deg]
      bin_size: 0.1 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 2}}
      energy_true: {{min: 1 TeV, max: 10 TeV, bins: 2}}
    make: [{{kind: map}}]
    stack: {{kind: sum}}
""",
        encoding="utf-8",
    )
    return path


def test_valid_archive_exits_with_0(crab_archive: Path) -> None:
    result = invoke_check(crab_archive)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{crab_archive}: 2 runs inspected, none with faults\n"


def test_fault_exits_with_3_and_is_reported_with_run_file_and_hdu(damaged_archive: Archive) -> None:
    result = invoke_check(damaged_archive.folder)
    assert result.exit_code == 3
    assert (
        f"run {RUN}\n  fault: {damaged_archive.path(RUN)}[EFFECTIVE AREA]: EFFAREA" in result.stdout
    )
    assert f"run {OTHER_RUN}" not in result.stdout
    assert "2 runs inspected, 1 with faults" in result.stdout


@pytest.mark.parametrize(
    "location", ["hdu-index.fits.gz", f"data/sim_crab_obs_id_{OTHER_RUN}.fits.gz"]
)
def test_index_or_single_file_can_be_checked(damaged_archive: Archive, location: str) -> None:
    result = invoke_check(damaged_archive.folder / location)
    assert result.exit_code == (3 if "index" in location else 0), result.output


def test_selected_runs_of_a_configuration_are_inspected(
    damaged_archive: Archive, tmp_path: Path
) -> None:
    selection = f"[{{kind: observation-ids, ids: [{OTHER_RUN}]}}]"
    result = invoke_check(write_configuration(tmp_path, damaged_archive.folder, selection))
    assert result.exit_code == 0, result.output
    assert "data.sim: 1 run inspected, none with faults" in result.stdout
    assert invoke_check(tmp_path / "analysis.yaml", "--all-runs").exit_code == 3
    result = invoke_check(write_configuration(tmp_path, damaged_archive.folder))
    assert result.exit_code == 3
    assert f"run {RUN}" in result.stdout


def test_all_runs_are_inspected_even_if_none_is_selected(
    damaged_archive: Archive, tmp_path: Path
) -> None:
    selection = "[{kind: cone, center: [0 deg, 0 deg], radius: 1 deg}]"
    path = write_configuration(tmp_path, damaged_archive.folder, selection)
    result = invoke_check(path, "--all-runs")
    assert result.exit_code == 2
    assert "2 runs inspected, 1 with faults" in result.stdout
    assert "no observation is left after the selector 'cone'" in result.output


def test_archive_of_several_entries_is_inspected_once(crab_archive: Path, tmp_path: Path) -> None:
    path = write_configuration(tmp_path, crab_archive)
    content = path.read_text(encoding="utf-8")
    path.write_text(content + content.split("data:\n")[1].replace("  sim:", "  second:"), "utf-8")
    result = invoke_check(path, "--all-runs")
    assert result.exit_code == 0, result.output
    assert "data.sim, data.second: 2 runs inspected, none with faults" in result.stdout
    assert result.stdout.count("inspected") == 1


def test_no_data_option_checks_only_the_configuration(
    damaged_archive: Archive, tmp_path: Path
) -> None:
    result = invoke_check(write_configuration(tmp_path, damaged_archive.folder), "--no-data")
    assert result.exit_code == 0, result.output
    assert "inspected" not in result.stdout


def test_run_without_rows_in_the_hdu_index_is_a_fault(
    damaged_archive: Archive, tmp_path: Path
) -> None:
    damaged_archive.change_index("hdu", lambda table: table[table["OBS_ID"] != RUN])
    result = invoke_check(write_configuration(tmp_path, damaged_archive.folder))
    assert result.exit_code == 3
    assert "no rows for this run" in result.stdout


def test_notes_are_counted_or_listed(crab_archive: Path, tmp_path: Path) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")

    def set_negative_value(hdu: object) -> None:
        hdu.data["RPSF"][0, -1, 0, 0] = -1e-9  # type: ignore[attr-defined]

    for run in archive.runs:
        archive.change_hdu(run, "psf", set_negative_value)
    result = invoke_check(archive.folder)
    assert result.exit_code == 0, result.output
    assert "note: 2 runs: RPSF has negative values\n" in result.stdout
    output = invoke_check(archive.folder, "--verbose").stdout
    assert output.count("note: ") == 2
    assert str(archive.path(RUN)) in output


def test_faults_are_printed_with_their_remedy_and_rule(damaged_archive: Archive) -> None:
    result = invoke_check(damaged_archive.folder)
    assert "; produce the IRF again, or exclude the run [response-zero]" in result.stdout
    assert "use them anyway (data.NAME.on_fault: note)" in result.stdout


def test_warnings_are_counted_and_exit_with_0(crab_archive: Path, tmp_path: Path) -> None:
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    for run in archive.runs:
        archive.change_hdu(run, "events", lambda hdu: hdu.header.remove("LIVETIME"))
    result = invoke_check(archive.folder)
    assert result.exit_code == 0, result.output
    assert "warning: 2 runs: its header has no LIVETIME" in result.stdout
    assert "compare DEADC with the publication" in result.stdout


@pytest.mark.slow
def test_several_workers_report_the_same_faults(damaged_archive: Archive) -> None:
    assert (
        invoke_check(damaged_archive.folder, "--workers", 2).stdout
        == invoke_check(damaged_archive.folder).stdout
    )


def test_invalid_configuration_and_missing_archive_exit_with_2(tmp_path: Path) -> None:
    (tmp_path / "invalid.yaml").write_text("fti: {}\n")
    assert invoke_check(tmp_path / "invalid.yaml").exit_code == 2
    assert invoke_check(tmp_path).exit_code == 2


@pytest.fixture
def events_outside(crab_archive: Path, tmp_path: Path) -> Archive:
    """Return an archive with the events of one run in another folder."""
    archive = Archive.copy(crab_archive, tmp_path / "archive")
    (tmp_path / "events").mkdir()
    shutil.move(archive.path(RUN), tmp_path / "events")

    def edit(table: Table) -> Table:
        table["FILE_DIR"][table["OBS_ID"] == RUN] = "../events"
        return table

    archive.change_index("hdu", edit)
    return archive


def test_events_outside_are_a_fault_unless_allowed(events_outside: Archive) -> None:
    outcome = invoke_check(events_outside.folder)
    assert outcome.exit_code == 3
    assert outcome.stdout.count("outside the archive") == 2  # events and GTI; IRFs may be outside
    assert "allow_outside: true (skyred check ARCHIVE --allow-outside)" in outcome.stdout
    allowed = invoke_check(events_outside.folder, "--allow-outside")
    assert allowed.exit_code == 0, allowed.output


def test_run_and_check_report_the_same_files_outside(
    events_outside: Archive, tmp_path: Path
) -> None:
    path = write_configuration(tmp_path, events_outside.folder)
    orchestrator = Orchestrator(Pipeline.from_yaml(path))
    with pytest.raises(RunsFailedError):
        orchestrator.reduce()
    outcome = invoke_check(path)
    assert outcome.exit_code == 3
    (failed,) = [outcome for outcome in orchestrator.outcomes if outcome.status == "failed"]
    assert "allow_outside: true" in failed.reason
    assert f"fault: {failed.reason}\n" in outcome.stdout
    assert invoke_check(path, "--set", "data.sim.allow_outside=true").exit_code == 0
    outcome = invoke_check(path, "--allow-outside")
    assert outcome.exit_code == 2
    assert "data.NAME.allow_outside: true" in outcome.stderr


def test_several_findings_about_a_run_count_as_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    rule = next(rule.name for rule in RULES.values() if rule.severity == "note")
    _report([Finding(f"is odd ({n})", rule, obs_id=1) for n in (1, 2)], verbose=False)
    assert capsys.readouterr().out == "note: 1 run: is odd\n"
