"""Execution of exported scripts without skyred."""

import os
import subprocess
import sys
from pathlib import Path

import attrs
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import Models

from skyred import Pipeline

BLOCK_SKYRED = """
import runpy, sys

class SkyredBlocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "skyred":
            raise ImportError("skyred is blocked")

sys.meta_path.insert(0, SkyredBlocker())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@attrs.define
class ScriptResults:
    """Results that an exported script has written."""

    datasets: Datasets
    models: Models
    flux: FluxPoints


def run_exported(pipeline: Pipeline, folder: Path) -> ScriptResults:
    """Export a pipeline with flux points, and run the script in a process without skyred."""
    script, results = folder / "script.py", folder / "results"
    script.write_text(pipeline.to_script(), encoding="utf-8")
    command = [sys.executable, "-I", "-c", BLOCK_SKYRED, str(script), str(results)]
    environment = os.environ | {"MPLBACKEND": "agg"}
    completed = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False
    )
    assert completed.returncode == 0, completed.stderr
    assert (results / "flux-points.png").stat().st_size > 1000
    return ScriptResults(
        Datasets.read(results / "datasets.yaml", lazy=False),
        Models.read(results / "models.yaml"),
        FluxPoints.read(results / "flux-points.fits"),
    )
