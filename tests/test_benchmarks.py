"""The benchmarks can be imported, and the functions that they time exist."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


IMPORT_ALL = """
import importlib, sys, traceback
failed = 0
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception:
        print(name, traceback.format_exc())
        failed = 1
sys.exit(failed)
"""


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
def test_every_module_can_be_imported() -> None:
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    assert len(names) > 10
    # in one process, since the imports of gammapy take most of the time
    result = run_python("-c", IMPORT_ALL, *names)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_functions_that_are_timed_separately_exist() -> None:
    result = run_python(
        "-c", "import orchestration; orchestration.time_additional_steps(orchestration.Clock())"
    )
    assert result.returncode == 0, result.stderr
