"""The benchmarks can be imported, and time functions that exist."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    paths = os.pathsep.join([str(FOLDER), str(FOLDER.parent / "tests" / "helpers")])
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_every_module_can_be_imported(path: Path) -> None:
    result = run("-c", f"import {path.stem}")
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_functions_that_are_timed_separately_exist() -> None:
    result = run("-c", "import orchestration as o; o.time_additional_steps(o.Clock())")
    assert result.returncode == 0, result.stderr
