"""Run gammapy's own tests twice: unchanged, and with gammapy's fits replaced by skyred's.

    GAMMAPY_DATA=... python benchmarks/gammapy_tests.py --json differences.json

The second run replaces `Fit.run` by `skyred.fit` and `FluxPointsEstimator.run` by
`skyred.flux_points` (`gammapy_adapter.py`). Each test that passes in the first run but not in the
second is reported with the last lines of its error. Known differences are listed with their reasons
in `gammapy_tests.yaml`. The exit code is 1 if there is any other difference, or if a listed test
fails with another error. gammapy skips tests if their data are missing. With `--folder` the results
of the first run are kept, and reused by later calls.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
from ruamel.yaml import YAML

HERE = Path(__file__).resolve().parent
DIFFERENCES_FILE = HERE / "gammapy_tests.yaml"
TESTS = (
    "modeling/tests",
    "modeling/selection/tests",
    "estimators",
    "datasets/tests",
    "makers/background/tests/test_fov.py",
    "analysis/tests",
    "workflow/tests",
)
ERROR_LINES = 2


@attrs.frozen
class Outcome:
    """The status of a test ("passed", "failed", "error" or "skipped"), and its last error lines."""

    status: str
    error: str = ""

    @classmethod
    def from_test_case(cls, case: ET.Element) -> Outcome:
        """Read a test case of a JUnit report."""
        for tag, status in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
            if (part := case.find(tag)) is not None:
                return cls(status, last_error_lines(part.text or part.get("message", "")))
        return cls("passed")


@attrs.frozen
class Difference:
    """A test that passes with gammapy but not with skyred; `reason` is "" if it is not listed."""

    test: str
    error: str
    reason: str = ""


def last_error_lines(traceback: str) -> str:
    """Return the last lines of the error in pytest's short traceback."""
    lines = [line[1:].strip() for line in traceback.splitlines() if line.startswith("E ")]
    return "; ".join([line for line in lines if line][-ERROR_LINES:])


def read_report(path: Path) -> dict[str, Outcome]:
    """Read outcomes from a JUnit report, by test (``modeling.tests.test_fit::test_run``)."""
    outcomes: dict[str, Outcome] = {}
    for case in ET.parse(path).iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        outcome = Outcome.from_test_case(case)
        # an error during teardown is a second entry
        if test not in outcomes or outcome.status != "passed":
            outcomes[test] = outcome
    return outcomes


def run_tests(tests: Sequence[str], report: Path, options: Sequence[str] = ()) -> None:
    """Run tests of the installed gammapy in a subprocess, and write a JUnit report."""
    import gammapy

    package = Path(gammapy.__file__).parent
    command = [
        *(sys.executable, "-m", "pytest", "-q", "--noconftest", "--tb=short", "-c", os.devnull),
        *("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "gammapy_fixtures"),
        *("--rootdir", str(package), f"--junitxml={report}", *options),
        *(str(package / test) for test in tests),
    ]
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))
    with tempfile.TemporaryDirectory() as folder:  # some tests write into the working directory
        code = subprocess.run(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, check=False
        ).returncode
    if code > 1:  # 0 if all tests passed, 1 if some failed
        raise SystemExit(f"pytest ended with exit code {code}")


def find_differences(
    gammapy_outcomes: Mapping[str, Outcome],
    skyred_outcomes: Mapping[str, Outcome],
    known_differences: Mapping[str, Any],
) -> list[Difference]:
    """Return the tests that pass in the first run but not in the second."""
    differences = []
    for test, gammapy_outcome in gammapy_outcomes.items():
        outcome = skyred_outcomes.get(test, Outcome("error", "was not run"))
        if gammapy_outcome.status == "passed" != outcome.status:
            entry = known_differences.get(test)
            is_listed = entry is not None and entry["error"] in outcome.error
            reason = entry["reason"] if is_listed else ""
            differences.append(Difference(test, f"{outcome.status}: {outcome.error}", reason))
    return differences


def format_report(
    gammapy_outcomes: Mapping[str, Outcome],
    skyred_outcomes: Mapping[str, Outcome],
    calls: Mapping[str, int],
    differences: Sequence[Difference],
    known_differences: Iterable[str],
) -> str:
    """Format the report."""
    lines = []
    for name, outcomes in (("gammapy", gammapy_outcomes), ("skyred", skyred_outcomes)):
        counts = Counter(outcome.status for outcome in outcomes.values())
        formatted_counts = (f"{count} {status}" for status, count in counts.items())
        lines.append(f"{name}: {', '.join(formatted_counts)}")
    lines += [f"{number} calls of {name}" for name, number in sorted(calls.items())]
    for title, is_known in (("Known differences", True), ("Other differences", False)):
        selected = [item for item in differences if bool(item.reason) is is_known]
        lines.append(f"\n{title}: {len(selected)}")
        for difference in selected:
            lines += [f"  {difference.test}", f"    {difference.error}"]
            lines += [f"    {difference.reason}"] if difference.reason else []
    if outdated := [
        test
        for test in known_differences
        if skyred_outcomes.get(test, Outcome("")).status == "passed"
    ]:
        lines += ["\nListed as different, but passed:", *(f"  {test}" for test in outdated)]
    return "\n".join(lines)


def main() -> int:
    """Run the tests of gammapy with gammapy and with skyred, and print the differences."""
    options = _options()
    known_differences = YAML(typ="safe").load(DIFFERENCES_FILE) or {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.absolute()
        gammapy_report, skyred_report, calls_file = (
            folder / name for name in ("plain.xml", "patched.xml", "calls.json")
        )
        if not gammapy_report.exists():
            run_tests(options.tests, gammapy_report)
        adapter_options = ["-p", "gammapy_adapter", f"--adapter-calls={calls_file}"]
        run_tests(options.tests, skyred_report, adapter_options)
        outcomes = read_report(gammapy_report), read_report(skyred_report)
        calls = json.loads(calls_file.read_text())
    differences = find_differences(*outcomes, known_differences)
    print(format_report(*outcomes, calls, differences, known_differences))
    if options.json:
        content = {"calls": calls, "differences": [attrs.asdict(item) for item in differences]}
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return int(any(not difference.reason for difference in differences))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "tests", nargs="*", default=TESTS, help="files or folders in the package of gammapy"
    )
    parser.add_argument("--json", type=Path, help="file for the differences")
    parser.add_argument("--folder", type=Path, help="folder for the reports of both runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
