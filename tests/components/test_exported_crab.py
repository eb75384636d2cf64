"""The exported Crab script runs without skyred and gives the same results."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import Models

import plain_gammapy
from exported_scripts import ScriptResults, run_exported
from skyred import Pipeline

pytestmark = [pytest.mark.data, pytest.mark.slow]
# without scans and asymmetric errors, which need a fit for each value
FEWER_COLUMNS = "estimate.0.columns=[ul]"


@pytest.fixture(scope="module")
def exported(compute_once: Any) -> ScriptResults:
    pipeline = Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=[FEWER_COLUMNS])
    return compute_once("exported-crab", lambda folder: run_exported(pipeline, folder))


def test_maps_agree(crab: Any, exported: ScriptResults) -> None:
    dataset, expected = exported.datasets["hess"], crab.result.datasets["hess"]
    for name in ("counts", "mask_safe"):
        np.testing.assert_array_equal(getattr(dataset, name).data, getattr(expected, name).data)
    # float32 sums
    np.testing.assert_allclose(dataset.exposure.data, expected.exposure.data, rtol=1e-6)
    for path in ("psf.psf_map", "edisp.edisp_map"):
        data, expected_data = (attrgetter(path)(maps).data for maps in (dataset, expected))
        np.testing.assert_allclose(data, expected_data, rtol=1e-6, atol=1e-9 * expected_data.max())
    # the script fits the norms with MIGRAD, which stops early
    np.testing.assert_allclose(dataset.background.data, expected.background.data, rtol=2e-4)


def statistic(dataset: Any, models: Models) -> float:
    """Return gammapy's statistic, with the PSF kernel at the position of these models."""
    datasets = Datasets([dataset.copy(name="hess")])
    datasets.models = models.copy()
    return float(datasets.stat_sum())


def test_statistic_agrees_at_the_same_values(crab: Any, exported: ScriptResults) -> None:
    expected = statistic(crab.result.datasets["hess"], crab.result.models)
    dataset = exported.datasets["hess"].copy(name="hess")
    # the background norms differ slightly (see test_maps_agree)
    dataset.background.data = crab.result.datasets["hess"].background.data
    assert statistic(dataset, crab.result.models) == pytest.approx(expected, abs=1e-3)


def test_fit_agrees_or_is_lower(crab: Any, exported: ScriptResults) -> None:
    fit, free = crab.result.fit, exported.models.parameters.free_parameters
    assert free.names == [name.split(".")[-1] for name in fit.names]
    pulls = np.abs(free.value - fit.values) / fit.errors
    lower = statistic(exported.datasets["hess"], crab.result.models) < statistic(
        exported.datasets["hess"], exported.models
    )
    assert np.all(pulls < 0.01) or lower
    # the likelihood is not differentiable at pixel centres, so MIGRAD may stop above the minimum
    is_position = np.array([name.endswith(("lon_0", "lat_0")) for name in fit.names])
    # gammapy evaluates the IRFs at the start of its last fit, skyred at the minimum
    assert np.all(pulls[~is_position] < 0.02)
    errors = np.array([parameter.error for parameter in free])
    np.testing.assert_allclose(errors[~is_position], fit.errors[~is_position], rtol=0.01)
    # HESSE's errors of the position depend on its start by 2 to 5 %
    np.testing.assert_allclose(errors[is_position], fit.errors[is_position], rtol=0.15)


def test_flux_points_agree(crab: Any, exported: ScriptResults) -> None:
    expected = crab.result.estimates["flux-points"].flux
    for name in ("dnde", "dnde_err", "dnde_ul"):
        values, expected_values = (getattr(flux, name).data for flux in (exported.flux, expected))
        # the positions of the source differ slightly
        np.testing.assert_allclose(values, expected_values, rtol=1e-3)
    np.testing.assert_array_equal(exported.flux.counts.data, expected.counts.data)
