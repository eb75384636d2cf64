"""Run gammapy's own tests twice: as they are, and with skyred in the place of gammapy's fits.

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
    """The outcome of a test: "passed", "failed", "error" or "skipped", and its error's end."""

    status: str
    error: str = ""

    @classmethod
    def of(cls, case: ET.Element) -> Outcome:
        """Read a test case of a JUnit report."""
        for tag, status in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
            if (part := case.find(tag)) is not None:
                return cls(status, error_end(part.text or part.get("message", "")))
        return cls("passed")


@attrs.frozen
class Difference:
    """A test that passes with gammapy and not with skyred; `reason` is "" if it is not listed."""

    test: str
    error: str
    reason: str = ""


def error_end(text: str) -> str:
    """Return the last lines of the error in pytest's short traceback."""
    lines = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return "; ".join([line for line in lines if line][-ERROR_LINES:])


def read_report(path: Path) -> dict[str, Outcome]:
    """Return the outcomes in a JUnit report by test, as ``modeling.tests.test_fit::test_run``."""
    outcomes: dict[str, Outcome] = {}
    for case in ET.parse(path).iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        outcome = Outcome.of(case)
        if test not in outcomes or outcome.status != "passed":  # a teardown is another entry
            outcomes[test] = outcome
    return outcomes


def run_tests(tests: Sequence[str], report: Path, options: Sequence[str] = ()) -> None:
    """Run tests of the installed gammapy in a process of its own, and write a JUnit report."""
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
    plain: Mapping[str, Outcome], patched: Mapping[str, Outcome], known: Mapping[str, Any]
) -> list[Difference]:
    """Return the tests that pass the first run and not the second."""
    differences = []
    for test, outcome in plain.items():
        other = patched.get(test, Outcome("error", "was not run"))
        if outcome.status == "passed" != other.status:
            entry = known.get(test)
            listed = entry is not None and entry["error"] in other.error
            reason = entry["reason"] if listed else ""
            differences.append(Difference(test, f"{other.status}: {other.error}", reason))
    return differences


def report_text(
    plain: Mapping[str, Outcome],
    patched: Mapping[str, Outcome],
    calls: Mapping[str, int],
    differences: Sequence[Difference],
    known: Iterable[str],
) -> str:
    """Return the report as text."""
    lines = []
    for name, outcomes in (("gammapy", plain), ("skyred", patched)):
        numbers = Counter(outcome.status for outcome in outcomes.values())
        lines.append(f"{name}: " + ", ".join(f"{n} {status}" for status, n in numbers.items()))
    lines += [f"{number} calls of {name}" for name, number in sorted(calls.items())]
    for title, unknown in (("Known differences", False), ("Other differences", True)):
        chosen = [each for each in differences if (not each.reason) is unknown]
        lines.append(f"\n{title}: {len(chosen)}")
        for each in chosen:
            lines += [f"  {each.test}", f"    {each.error}"]
            lines += [f"    {each.reason}"] if each.reason else []
    if outdated := [test for test in known if patched.get(test, Outcome("")).status == "passed"]:
        lines += ["\nListed as different, but passed:", *(f"  {test}" for test in outdated)]
    return "\n".join(lines)


def main() -> int:
    options = _options()
    known = YAML(typ="safe").load(KNOWN) or {}
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
    differences = find_differences(plain, patched, known)
    print(report_text(plain, patched, calls, differences, known))
    if options.json:
        content = {"calls": calls, "differences": [attrs.asdict(each) for each in differences]}
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return int(any(not each.reason for each in differences))


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
