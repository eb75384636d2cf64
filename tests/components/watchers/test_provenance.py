"""The report lists the used input files."""

from pathlib import Path
from types import SimpleNamespace

from skyred.components.watchers.provenance import Provenance
from skyred.interfaces.records import Report, Run, StepRecord
from skyred.io.checksums import file_checksum


def test_input_that_changed_later_is_reported_with_its_earlier_digest(tmp_path: Path) -> None:
    used, unused = tmp_path / "run.fits", tmp_path / "index.fits"
    for path in (used, unused):
        path.write_text("before")
    before = file_checksum(used)
    steps = (
        StepRecord("select", 0.1, inputs=(unused, used)),
        StepRecord("reduce", 0.1, sums={used: before}),
    )
    used.write_text("after")
    report = Report("finished", "", steps, (), (), (), SimpleNamespace(kinds={}))
    inputs = {
        entry["path"]: entry["sha256"] for entry in Provenance().describe(Run(), report)["inputs"]
    }
    assert inputs == {str(used): before, str(unused): file_checksum(unused)}
    assert file_checksum(used) != before
