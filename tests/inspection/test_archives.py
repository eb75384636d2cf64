"""Public archives of several instruments have no faults, and only the listed warnings."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.table import Table

import plain_gammapy
from skyred.inspection.index import list_run_inputs
from skyred.inspection.records import Finding
from skyred.inspection.run import inspect_run

JOINT_CRAB = "joint-crab-dl3/"
# folders relative to $GAMMAPY_DATA, or archives in $JOINT_CRAB_DL3, and how the messages of their
# warnings begin
ARCHIVES = {
    "hess-dl3-dr1": set(),
    "magic/rad_max/data": set(),
    f"{JOINT_CRAB}fact": set(),
    f"{JOINT_CRAB}magic": {"its axis ENERG begins", "its axis ENERG ends"},
    f"{JOINT_CRAB}veritas": {"its axis ENERG begins", "the median of its MIGRA"},
    "cta-1dc/index/gps": {"its axis ENERG begins", "MATRIX integrates"},
}


def inspect_archive(folder: Path) -> list[Finding]:
    hdu_table = Table.read(folder / "hdu-index.fits.gz")
    hdu_table.meta["BASE_DIR"] = str(folder)
    obs_table = Table.read(folder / "obs-index.fits.gz")
    inputs = list_run_inputs(hdu_table, obs_table)
    return [finding for run in inputs for finding in inspect_run(run).findings]


@pytest.mark.data
@pytest.mark.parametrize("name", ARCHIVES)
def test_public_archive_has_no_faults_and_the_listed_warnings(name: str) -> None:
    folder, variable = plain_gammapy.archive().parent / name, "$GAMMAPY_DATA"
    if name.startswith(JOINT_CRAB):
        folder = plain_gammapy.joint_crab_archive(name.removeprefix(JOINT_CRAB))
        variable = "$JOINT_CRAB_DL3"
    if not folder.is_dir():
        pytest.skip(f"needs {variable}: there is no folder {folder}")
    findings = inspect_archive(folder)
    assert [str(finding) for finding in findings if finding.level == "fault"] == []
    warnings = {finding.message for finding in findings if finding.level == "warning"}
    expected = ARCHIVES[name]
    assert {message for message in warnings if not message.startswith(tuple(expected))} == set()
    assert all(any(message.startswith(start) for message in warnings) for start in expected)
