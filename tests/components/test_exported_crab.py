"""The exported Crab script runs without skyred and has the same results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import Models

import plain_gammapy as plain
from exported import Exported, run_exported
from skyred import Pipeline

pytestmark = [pytest.mark.data, pytest.mark.slow]
# scans and asymmetric errors need the most time in gammapy, with a fit for each value
FEWER_COLUMNS = "estimate.0.columns=[ul]"


@pytest.fixture(scope="module")
def exported(compute_once: Any) -> Exported:
    pipeline = Pipeline.from_yaml(plain.EXAMPLE, overrides=[FEWER_COLUMNS])
    return compute_once("exported-crab", lambda folder: run_exported(pipeline, folder))


def test_maps_agree(crab: Any, exported: Exported) -> None:
    actual, expected = crab.result.datasets["hess"], exported.datasets["hess"]
    for name in ("counts", "mask_safe"):
        np.testing.assert_array_equal(getattr(actual, name).data, getattr(expected, name).data)
    # float32 sums, both in one chunk
    np.testing.assert_allclose(expected.exposure.data, actual.exposure.data, rtol=1e-6)
    for part in ("psf.psf_map", "edisp.edisp_map"):
        first, second = part.split(".")
        maps = [getattr(getattr(dataset, first), second).data for dataset in (expected, actual)]
        np.testing.assert_allclose(*maps, rtol=1e-6, atol=1e-9 * maps[1].max())
    # gammapy's norms are those of MIGRAD, ours are exact
    np.testing.assert_allclose(expected.background.data, actual.background.data, rtol=2e-4)


def statistic(dataset: Any, models: Models) -> float:
    """Return gammapy's statistic, with the PSF kernel at these values."""
    datasets = Datasets([dataset.copy(name="hess")])
    datasets.models = models.copy()
    return float(datasets.stat_sum())


def test_statistic_agrees_at_the_same_values(crab: Any, exported: Exported) -> None:
    expected = statistic(crab.result.datasets["hess"], crab.result.models)
    dataset = exported.datasets["hess"].copy(name="hess")
    # gammapy's norms stop before the optimum; their effect is tested with the maps
    dataset.background.data = crab.result.datasets["hess"].background.data
    assert statistic(dataset, crab.result.models) == pytest.approx(expected, abs=1e-3)


def test_fit_agrees_or_is_lower(crab: Any, exported: Exported) -> None:
    actual, expected = crab.result.fit, exported.models.parameters.free_parameters
    assert [parameter.name for parameter in expected] == [n.split(".")[-1] for n in actual.names]
    values = np.array([parameter.value for parameter in expected])
    pulls = np.abs(values - actual.values) / actual.errors
    lower = statistic(exported.datasets["hess"], crab.result.models) < statistic(
        exported.datasets["hess"], exported.models
    )
    assert np.all(pulls < 0.01) or lower
    # the likelihood is not differentiable at pixel centres, so MIGRAD may stop above the minimum
    position = np.array([name.endswith(("lon_0", "lat_0")) for name in actual.names])
    # gammapy evaluates IRFs at the start of its last fit, skyred at the minimum
    assert np.all(pulls[~position] < 0.02)
    errors = np.array([parameter.error for parameter in expected])
    np.testing.assert_allclose(errors[~position], actual.errors[~position], rtol=0.01)
    # HESSE's errors of a position depend on its start, by 2 to 5 % in gammapy
    np.testing.assert_allclose(errors[position], actual.errors[position], rtol=0.15)


def test_flux_points_agree(crab: Any, exported: Exported) -> None:
    actual = crab.result.estimates["flux-points"].flux
    for name in ("dnde", "dnde_err", "dnde_ul"):
        values, expected = (getattr(flux, name).data for flux in (exported.flux, actual))
        # the position of the source differs slightly
        np.testing.assert_allclose(values, expected, rtol=1e-3)
    np.testing.assert_array_equal(exported.flux.counts.data, actual.counts.data)
