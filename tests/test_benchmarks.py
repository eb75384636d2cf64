"""The benchmarks can be imported, and the functions that they time exist."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(FOLDER), str(FOLDER.parent / "tests" / "helpers")])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_every_module_can_be_imported(path: Path) -> None:
    result = run_python("-c", f"import {path.stem}")
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_functions_that_are_timed_separately_exist() -> None:
    result = run_python(
        "-c", "import orchestration; orchestration.time_additional_steps(orchestration.Clock())"
    )
    assert result.returncode == 0, result.stderr
