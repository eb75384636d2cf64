"""The list of input files in the report."""

from datetime import UTC, datetime
from pathlib import Path

from skyred import Result
from skyred.components.watchers.run_record import describe_run
from skyred.interfaces.records import Report, Run, StepRecord
from skyred.io.checksums import file_checksum


def test_checksum_of_an_input_is_that_of_the_content_that_was_read(tmp_path: Path) -> None:
    run_path, index_path = tmp_path / "run.fits", tmp_path / "index.fits"
    for path in (run_path, index_path):
        path.write_text("before")
    checksum = file_checksum(run_path)
    steps = (
        StepRecord("select", 0.1, inputs=(index_path, run_path)),
        StepRecord("reduce", 0.1, sums={run_path: checksum}),
    )
    run_path.write_text("after")
    report = Report("finished", "", steps, (), (), (), Result())
    record = describe_run(Run(), report, datetime.now(UTC))
    inputs = {entry["path"]: entry["sha256"] for entry in record["inputs"]}
    assert inputs == {str(run_path): checksum, str(index_path): file_checksum(index_path)}
    assert file_checksum(run_path) != checksum
