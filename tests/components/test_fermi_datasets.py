"""Fits of the Fermi-LAT maps of gammapy's tutorials, compared with plain gammapy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gammapy.datasets import Datasets, MapDataset
from gammapy.modeling import Fit

from skyred import Orchestrator, Pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = Path(os.environ.get("GAMMAPY_DATA", "?")) / "fermi-3fhl-crab"
GALACTIC_CENTRE = DATA.parent / "fermi-3fhl-gc" / "fermi-3fhl-gc.fits.gz"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs fermi-3fhl-crab in GAMMAPY_DATA"),
]


def test_fit_of_the_crab_is_as_good_as_with_gammapy() -> None:
    orchestrator = Orchestrator(Pipeline.from_yaml(EXAMPLES / "fermi-3fhl-crab.yaml"))
    orchestrator.run_until("fit")
    fit = orchestrator.fit_result
    assert fit is not None
    plain = Datasets.read(
        DATA / "Fermi-LAT-3FHL_datasets.yaml", DATA / "Fermi-LAT-3FHL_models.yaml"
    )
    assert orchestrator.datasets.names == plain.names == ["Fermi-LAT"]
    assert fit.success
    # the tolerance of all fits; at the same values the statistics agree to 1e-8
    assert fit.stat <= Fit().run(plain).total_stat + 0.01
    plain.models.parameters.value = orchestrator.datasets.models.parameters.value
    assert fit.stat == pytest.approx(plain.stat_sum(), rel=1e-8)


def test_statistic_of_the_galactic_centre_agrees_with_gammapy() -> None:
    orchestrator = Orchestrator(Pipeline.from_yaml(EXAMPLES / "fermi-3fhl-gc.yaml"))
    orchestrator.run_until("fit")
    fit = orchestrator.fit_result
    assert fit is not None
    assert fit.success
    plain = Datasets([MapDataset.read(GALACTIC_CENTRE, name="fermi-1")])
    plain.models = orchestrator.datasets.models.copy()
    assert fit.stat == pytest.approx(plain.stat_sum(), rel=1e-8)
