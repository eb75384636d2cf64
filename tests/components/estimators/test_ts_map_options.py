"""Options of the estimator `ts-map`, compared with gammapy's `TSMapEstimator`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import FluxMaps, TSMapEstimator
from gammapy.modeling.models import FoVBackgroundModel

import plain_gammapy
from skyred.components.estimators.norm_range import NormRange
from skyred.components.gammapy import TSMap
from skyred.errors import FieldError, SkyredWarning

WIDTH = 0.35 * u.deg
EDGES = [1, 10] * u.TeV
MAPS = ("norm", "norm_err", "ts", "norm_ul")


@pytest.fixture(scope="module")
def dataset() -> MapDataset:
    dataset = plain_gammapy.simulate(plain_gammapy.models("sim"), seed=3)
    return dataset.cutout(dataset.counts.geom.center_skydir, width="0.5 deg", name="few")


def estimate(datasets: Datasets, **options: Any) -> FluxMaps:
    return TSMap(kernel_width=WIDTH, **options).estimate(datasets, None).maps


def run_gammapy(datasets: Datasets, **options: Any) -> FluxMaps:
    options = {"rtol": 1e-9, "energy_edges": EDGES} | options
    options["selection_optional"] = options.pop("columns", [])
    estimator = TSMapEstimator(kernel_width=WIDTH, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.run(datasets)


def assert_agreement(actual: FluxMaps, expected: FluxMaps) -> None:
    for name in MAPS:
        values, expected_values = getattr(actual, name), getattr(expected, name).data
        assert values.geom.data_shape == expected_values.shape
        np.testing.assert_array_equal(np.isfinite(values.data), np.isfinite(expected_values))
        scale = np.nanmax(np.abs(expected_values))
        np.testing.assert_allclose(
            values.data, expected_values, rtol=1e-4, atol=1e-5 * scale, err_msg=name
        )


@pytest.mark.parametrize("summed", [True, False], ids=["summed", "separate"])
def test_pixels_below_the_threshold_have_the_estimate_of_gammapy(
    dataset: MapDataset, summed: bool
) -> None:
    options = {"threshold": 20.0, "columns": ["ul"], "sum_over_energy_groups": summed}
    datasets = Datasets([dataset])
    actual, expected = estimate(datasets, **options), run_gammapy(datasets, **options)
    assert_agreement(actual, expected)
    np.testing.assert_array_equal(actual.niter.data == 0, expected.niter.data == 0)
    is_estimate = actual.niter.data == 0
    assert 0 < is_estimate.sum() < is_estimate.size
    assert actual.success.data.all()
    best = estimate(datasets, sum_over_energy_groups=summed)
    assert np.all(best.ts.data - actual.ts.data > -1e-6)
    assert np.any(best.ts.data[is_estimate] - actual.ts.data[is_estimate] > 0.01)


@pytest.mark.parametrize("factor", [2, 4])
def test_downsampled_maps_agree_with_gammapy(dataset: MapDataset, factor: int) -> None:
    datasets = Datasets([dataset.copy(name="few")])
    background = FoVBackgroundModel(dataset_name="few")
    background.spectral_model.norm.value = 1.2
    datasets.models = [background]
    options = {"downsampling_factor": factor, "columns": ["ul"]}
    actual = estimate(datasets, **options)
    assert_agreement(actual, run_gammapy(datasets, **options))
    assert actual.geom.to_image() == dataset.counts.geom.to_image()
    assert actual.success.data.dtype == bool
    assert datasets.names == ["few"]
    assert datasets.models.names == ["few-bkg"]


def test_low_precision_saves_steps(dataset: MapDataset) -> None:
    datasets = Datasets([dataset])
    exact, rough = (estimate(datasets, columns=["ul"], rtol=rtol) for rtol in (None, 0.05))
    assert rough.niter.data.sum() < 0.9 * exact.niter.data.sum()
    difference = np.abs(rough.norm.data - exact.norm.data)
    assert difference.max() > 0
    assert np.all(difference < 0.05 * np.abs(exact.norm.data))
    np.testing.assert_allclose(rough.norm_ul.data, exact.norm_ul.data, rtol=0.05)


def test_fits_that_need_more_steps_are_marked(dataset: MapDataset) -> None:
    columns = ["errn-errp", "ul", "sensitivity"]
    datasets = Datasets([dataset])
    exact = estimate(datasets, columns=columns)
    steps = int(exact.niter.data.max()) - 1
    with pytest.warns(SkyredWarning, match=f"fits have not converged in {steps} steps"):
        maps = estimate(datasets, columns=columns, max_niter=steps)
    np.testing.assert_array_equal(maps.success.data, exact.niter.data <= steps)
    for name in ("norm_errn", "norm_errp", "norm_ul"):
        values, expected = (getattr(result, name).data for result in (maps, exact))
        assert np.isnan(values[~maps.success.data]).all()
        is_finite = np.isfinite(values)
        assert is_finite.any()
        np.testing.assert_array_equal(values[is_finite], expected[is_finite])


@pytest.mark.parametrize("factor", [3, 6])
def test_unsupported_factor_is_rejected(factor: int) -> None:
    with pytest.raises(FieldError, match="expected 2, 4 or 8, since maps are padded"):
        TSMap(downsampling_factor=factor)


class TestScan:
    def test_values_around_the_best_norm_agree_with_gammapy(self, dataset: MapDataset) -> None:
        datasets = Datasets([dataset])
        columns = ["stat_scan", "ul"]
        actual = estimate(datasets, columns=columns)
        expected = run_gammapy(datasets, columns=columns)
        dnde, expected_dnde = actual.dnde_scan_values, expected.dnde_scan_values
        assert dnde.unit == expected_dnde.unit
        assert dnde.geom.data_shape == expected_dnde.geom.data_shape == (1, 109, 10, 10)
        # gammapy adds random norms where some of the 109 norms are equal
        is_same = np.all(np.isclose(dnde.data, expected_dnde.data, rtol=1e-4, atol=1e-16), axis=1)
        assert is_same.sum() > 90
        scan, expected_scan = actual.stat_scan.data, expected.stat_scan.data
        difference = np.abs(scan - expected_scan).max(axis=1)
        assert np.all(difference[is_same] < 1e-4 * np.abs(expected_scan).max(axis=1)[is_same])
        # unlike in gammapy, the fit is not replaced by the norm of the scan
        best = estimate(datasets, columns=["ul"])
        for name in MAPS:
            np.testing.assert_array_equal(getattr(actual, name).data, getattr(best, name).data)

    def test_norms_of_the_user_are_scanned(self, dataset: MapDataset, tmp_path: Path) -> None:
        norm = NormRange(scan_min=0.5, scan_max=8, scan_n_values=5)
        estimator = TSMap(kernel_width=WIDTH, columns=["stat_scan"], norm=norm)
        product = estimator.estimate(Datasets([dataset]), None)
        product.write(tmp_path)
        maps = type(product).read(tmp_path, product.name, None).maps
        reference = maps.reference_model.spectral_model(maps.geom.axes["energy"].center)
        norms = (maps.dnde_scan_values.quantity / reference).to_value("")
        expected = np.broadcast_to(np.reshape([0.5, 1, 2, 4, 8], (1, 5, 1, 1)), norms.shape)
        np.testing.assert_allclose(norms, expected, rtol=1e-12)
        np.testing.assert_array_equal(maps.stat_scan.data, product.maps.stat_scan.data)
        assert np.all(maps.stat_scan.data > -maps.ts.data - 1e-6)

    def test_norms_are_within_the_limits(self, dataset: MapDataset) -> None:
        datasets, columns = Datasets([dataset]), ["errn-errp", "ul"]
        free = estimate(datasets, columns=columns)
        low, high = np.nanpercentile(free.norm.data, [30, 70])
        maps = estimate(datasets, columns=columns, norm=NormRange(min=low, max=high))
        np.testing.assert_array_equal(maps.norm.data, np.clip(free.norm.data, low, high))
        is_inside = (free.norm.data > low) & (free.norm.data < high)
        assert np.all(maps.ts.data[~is_inside] <= free.ts.data[~is_inside])
        limit = np.where(free.norm_ul.data <= high, free.norm_ul.data, np.nan)
        np.testing.assert_allclose(maps.norm_ul.data[is_inside], limit[is_inside], rtol=1e-9)
        assert not np.any(maps.norm_ul.data > high)
        assert not np.any(maps.norm.data - maps.norm_errn.data < low)
