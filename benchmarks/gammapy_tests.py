"""Run gammapy's own tests twice: unchanged, and with gammapy's fits replaced by skyred's.

    GAMMAPY_DATA=... python benchmarks/gammapy_tests.py --json differences.json

The second run replaces `Fit.run` by `skyred.fit` and `FluxPointsEstimator.run` by
`skyred.flux_points` (`gammapy_adapter.py`). Each test that passes the first run and not the second
is reported with the last lines of its error. Known differences are listed with their reasons in
`gammapy_tests.yaml`; the program ends with 1 if there is any other, or if a listed test fails with
another error than the one listed. gammapy skips tests whose data
are missing. `--folder` keeps the result of the first run for the next time.
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
KNOWN = HERE / "gammapy_tests.yaml"
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
    """Outcome of a test: "passed", "failed", "error" or "skipped", and the end of its error."""

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
    """Test that passes with gammapy but not with skyred; `reason` is "" if it is not listed."""

    test: str
    error: str
    reason: str = ""


def last_error_lines(traceback: str) -> str:
    """Return the last lines of the error in pytest's short traceback."""
    lines = [line[1:].strip() for line in traceback.splitlines() if line.startswith("E ")]
    return "; ".join([line for line in lines if line][-ERROR_LINES:])


def read_report(path: Path) -> dict[str, Outcome]:
    """Read outcomes from a JUnit report by test, as ``modeling.tests.test_fit::test_run``."""
    outcomes: dict[str, Outcome] = {}
    for case in ET.parse(path).iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        outcome = Outcome.from_test_case(case)
        if test not in outcomes or outcome.status != "passed":  # a teardown is another entry
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
    if code > 1:  # 0 and 1: all passed, some failed
        raise SystemExit(f"pytest ended with {code}")


def find_differences(
    plain: Mapping[str, Outcome],
    patched: Mapping[str, Outcome],
    known_differences: Mapping[str, Any],
) -> list[Difference]:
    """Return the tests that pass in the first run but not in the second."""
    differences = []
    for test, outcome in plain.items():
        other_outcome = patched.get(test, Outcome("error", "was not run"))
        if outcome.status == "passed" != other_outcome.status:
            entry = known_differences.get(test)
            is_listed = entry is not None and entry["error"] in other_outcome.error
            reason = entry["reason"] if is_listed else ""
            error = f"{other_outcome.status}: {other_outcome.error}"
            differences.append(Difference(test, error, reason))
    return differences


def report_text(
    plain: Mapping[str, Outcome],
    patched: Mapping[str, Outcome],
    calls: Mapping[str, int],
    differences: Sequence[Difference],
    known_differences: Iterable[str],
) -> str:
    """Format the report."""
    lines = []
    for name, outcomes in (("gammapy", plain), ("skyred", patched)):
        numbers = Counter(outcome.status for outcome in outcomes.values())
        lines.append(f"{name}: " + ", ".join(f"{n} {status}" for status, n in numbers.items()))
    lines += [f"{number} calls of {name}" for name, number in sorted(calls.items())]
    for title, unknown in (("Known differences", False), ("Other differences", True)):
        listed = [difference for difference in differences if (not difference.reason) is unknown]
        lines.append(f"\n{title}: {len(listed)}")
        for difference in listed:
            lines += [f"  {difference.test}", f"    {difference.error}"]
            lines += [f"    {difference.reason}"] if difference.reason else []
    if outdated := [
        test for test in known_differences if patched.get(test, Outcome("")).status == "passed"
    ]:
        lines += ["\nListed as different, but passed:", *(f"  {test}" for test in outdated)]
    return "\n".join(lines)


def main() -> int:
    options = _options()
    known_differences = YAML(typ="safe").load(KNOWN) or {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.absolute()
        first, second, calls_file = (
            folder / name for name in ("plain.xml", "patched.xml", "calls.json")
        )
        if not first.exists():
            run_tests(options.tests, first)
        adapter = ["-p", "gammapy_adapter", f"--adapter-calls={calls_file}"]
        run_tests(options.tests, second, adapter)
        plain, patched = read_report(first), read_report(second)
        calls = json.loads(calls_file.read_text())
    differences = find_differences(plain, patched, known_differences)
    print(report_text(plain, patched, calls, differences, known_differences))
    if options.json:
        content = {"calls": calls, "differences": [attrs.asdict(item) for item in differences]}
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return int(any(not difference.reason for difference in differences))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "tests", nargs="*", default=TESTS, help="files or folders inside of gammapy's package"
    )
    parser.add_argument("--json", type=Path, help="file for the differences")
    parser.add_argument("--folder", type=Path, help="folder for the reports of both runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
