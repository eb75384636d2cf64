"""Maps of Fermi-LAT from gammapy's tutorials, fitted beside plain gammapy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gammapy.datasets import Datasets, MapDataset
from gammapy.modeling import Fit

from skyred import Orchestrator, Pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = Path(os.environ.get("GAMMAPY_DATA", "?")) / "fermi-3fhl-crab"
CENTRE = DATA.parent / "fermi-3fhl-gc" / "fermi-3fhl-gc.fits.gz"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs fermi-3fhl-crab in GAMMAPY_DATA"),
]


def test_fit_of_the_fermi_crab_is_as_good_as_that_of_gammapy() -> None:
    orchestrator = Orchestrator(Pipeline.from_yaml(EXAMPLES / "fermi-3fhl-crab.yaml"))
    orchestrator.run_until("fit")
    fit = orchestrator.fit_result
    assert fit is not None
    plain = Datasets.read(
        DATA / "Fermi-LAT-3FHL_datasets.yaml", DATA / "Fermi-LAT-3FHL_models.yaml"
    )
    assert orchestrator.datasets.names == plain.names == ["Fermi-LAT"]
    assert fit.success
    # 0.01 as for all fits, and 1e-8 of the statistic at the same values
    assert fit.stat <= Fit().run(plain).total_stat + 0.01
    plain.models.parameters.value = orchestrator.datasets.models.parameters.value
    assert fit.stat == pytest.approx(plain.stat_sum(), rel=1e-8)


def test_fit_of_the_fermi_galactic_centre_has_the_statistic_of_gammapy() -> None:
    orchestrator = Orchestrator(Pipeline.from_yaml(EXAMPLES / "fermi-3fhl-gc.yaml"))
    orchestrator.run_until("fit")
    fit = orchestrator.fit_result
    assert fit is not None
    assert fit.success
    plain = Datasets([MapDataset.read(CENTRE, name="fermi-1")])
    plain.models = orchestrator.datasets.models.copy()
    assert fit.stat == pytest.approx(plain.stat_sum(), rel=1e-8)
