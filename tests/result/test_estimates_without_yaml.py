"""Estimates in the folder of a run with gammapy objects, which has no YAML configuration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy import estimators as ge
from gammapy.datasets import Datasets

import small_datasets as small
from skyred import Estimator, Pipeline, ReducedData, Result
from skyred.components.gammapy import FluxPoints, Source
from skyred.errors import OutputError, SkyredWarning

EDGES = [1, 3, 10] * u.TeV
NAMES = ["by-gammapy", "flux-points", "numbers"]


class CountsEstimator:
    """An estimator with gammapy's interface."""

    def run(self, datasets: Datasets) -> dict[str, Any]:
        """Return the counts."""
        return {"counts": sum(float(dataset.counts.data.sum()) for dataset in datasets)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("run")
    Datasets([small.spectrum_dataset()]).write(folder / "datasets.yaml")
    spectral = {"type": "pl", "index": 2, "amplitude": "1e-11 cm-2 s-1 TeV-1", "reference": "1 TeV"}
    pipeline = Pipeline(
        data={"small": ReducedData(datasets=str(folder / "datasets.yaml"))},
        model=[Source(name="crab", spectral=spectral)],
        estimate=[
            Estimator.adapt(ge.FluxPointsEstimator(EDGES, source="crab"), name="by-gammapy"),
            FluxPoints(source="crab", energy_edges=EDGES, columns=[]),
            Estimator.adapt(CountsEstimator(), name="numbers"),
        ],
    )
    return pipeline.run(folder / "out"), folder / "out"


def test_estimates_of_gammapy_and_skyred_are_read_back(run: tuple[Result, Path]) -> None:
    result, folder = run
    loaded = Result.read(folder)
    assert loaded.config == ""
    assert sorted(loaded.estimates) == NAMES
    assert loaded.estimates["numbers"].value == result.estimates["numbers"].value
    for flux, expected in (
        (loaded.estimates["by-gammapy"].value, result.estimates["by-gammapy"].value),
        (loaded.estimates["flux-points"].flux, result.estimates["flux-points"].flux),
    ):
        # the files are in float32
        np.testing.assert_allclose(flux.dnde.data, expected.dnde.data, rtol=1e-6)
        assert flux.dnde.unit == expected.dnde.unit
    assert loaded.estimates["flux-points"].source == "crab"


def test_estimate_name_outside_the_folder_is_rejected(
    run: tuple[Result, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run[1], folder)
    report = json.loads((folder / "report.json").read_text())
    report["estimates"] = {"../numbers": "adapted"}
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "SHA256SUMS").unlink()
    with (
        pytest.warns(SkyredWarning, match="has no SHA256SUMS"),
        pytest.raises(OutputError, match=r"cannot be read: invalid value '\.\./numbers'"),
    ):
        Result.read(folder)
