"""Upper limits are above the true flux in the expected fraction of simulations."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import skyred
import small_datasets as small

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
# allowed fractions, by the number of standard deviations of the limit
INTERVALS = {1.645: (0.93, 0.97), 2.0: (0.96, 0.99)}


@pytest.fixture(scope="module")
def study() -> ModuleType:
    """Return the module of the benchmark."""
    spec = importlib.util.spec_from_file_location("coverage_study", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["coverage_study"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["on-off", "map", "TS map"])
@pytest.mark.parametrize("background", [20, 100, 1000])
def test_limits_have_the_expected_coverage(study: ModuleType, kind: str, background: float) -> None:
    for flux in (0.0, background**0.5):
        for row in study.measure_coverage(kind, background, flux, 1000, seed=1):
            low, high = INTERVALS[row.sigma]
            assert low <= row.fraction <= high, row


@pytest.mark.slow
def test_limits_of_flux_points_have_the_expected_coverage() -> None:
    """Check `skyred.flux_points`, with fewer simulations."""
    dataset, random = small.spectrum_on_off(), np.random.default_rng(2)
    spectral = PowerLawSpectralModel(amplitude="-1e-12 cm-2 s-1 TeV-1")
    datasets = Datasets([dataset])
    datasets.models = [SkyModel(spectral, name="none")]
    n_covered, n_simulations = np.zeros(2), 150
    for _ in range(n_simulations):
        dataset.counts.data = random.poisson(np.reshape([50, 20, 20], (3, 1, 1))).astype(float)
        off = random.poisson(np.reshape([200, 80, 80], (3, 1, 1)))
        dataset.counts_off.data = off.astype(float)
        for index, sigma in enumerate(INTERVALS):
            points = skyred.flux_points(datasets, "none", [1, 10] * u.TeV,
                                       selection_optional=["ul"], n_sigma_ul=sigma)  # fmt: skip
            n_covered[index] += points.flux_ul.data.item() >= 0
    # one-sided coverages of 1.645 and 2 sigma, within three standard deviations of the fractions
    assert np.all(
        np.abs(n_covered / n_simulations - [0.95, 0.977]) < 3 * np.array([0.0178, 0.0122])
    )
