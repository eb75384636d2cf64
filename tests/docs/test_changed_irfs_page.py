"""The maker that scales the effective area in the how-to, against plain gammapy."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gammapy.data import DataStore
from gammapy.datasets import Datasets
from gammapy.makers import MapDatasetMaker

from skyred import EnergyAxis, MapData, MapGeometry, Orchestrator, Pipeline, Reduction, Sum

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-maker.md"


@pytest.fixture
def maker() -> Any:
    blocks = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    (code,) = (block.split("```")[0] for block in blocks if "class ScaledArea" in block)
    module = ModuleType("page")
    exec(code, module.__dict__)
    return module.ScaledArea


def create_pipeline(archive: Path, *makers: Any) -> Pipeline:
    geometry = MapGeometry(
        center=("83.633 deg", "22.014 deg"),
        width="2 deg",
        bin_size="0.1 deg",
        energy=EnergyAxis(min="1 TeV", max="10 TeV", bins=2),
        energy_true=EnergyAxis(min="0.5 TeV", max="20 TeV", bins=4),
    )
    reduction = Reduction(archive=str(archive), geometry=geometry, make=makers, stack=Sum())
    return Pipeline(data={"crab": reduction})


def compute_exposure(pipeline: Pipeline, archive: Path, factor: float) -> Any:
    """Return the sum of the exposures of all runs, computed by gammapy."""
    target = pipeline.data["crab"].geometry.target("crab")
    total = 0.0
    for observation in DataStore.from_dir(archive).get_observations():
        aeff = copy.deepcopy(observation.aeff)
        aeff.data *= factor
        observation.aeff = aeff
        dataset = target.copy(name="run")
        total += MapDatasetMaker(selection=["exposure"]).run(dataset, observation).exposure.data
    return total


def test_maker_of_the_page_scales_the_exposure_as_in_gammapy(
    maker: Any, crab_archive: Path
) -> None:
    pipeline = create_pipeline(crab_archive, maker(factor=1.1), MapData())
    (dataset,) = Orchestrator(pipeline, cache=False).reduce()
    expected = compute_exposure(pipeline, crab_archive, 1.1)
    np.testing.assert_allclose(dataset.exposure.data, expected, rtol=2e-6)


@pytest.mark.slow
def test_exported_script_scales_the_exposure(
    maker: Any, crab_archive: Path, tmp_path: Path
) -> None:
    pipeline = create_pipeline(crab_archive, maker(factor=1.1), MapData())
    script = tmp_path / "script.py"
    script.write_text(pipeline.to_script(), encoding="utf-8")
    subprocess.run([sys.executable, str(script), str(tmp_path / "results")], check=True)
    (dataset,) = Datasets.read(tmp_path / "results" / "datasets.yaml", lazy=False)
    expected = compute_exposure(pipeline, crab_archive, 1.1)
    np.testing.assert_allclose(dataset.exposure.data, expected, rtol=2e-6)
