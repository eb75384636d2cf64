"""TS maps agree with gammapy's `TSMapEstimator` and with exact results."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import astropy.units as u
import attrs
import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import TSMapEstimator
from gammapy.modeling.models import (
    CompoundSpectralModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from hypothesis import given, settings, strategies as st

import plain_gammapy
from skyred.errors import ModelError
from skyred.likelihood.flux.ts_map import Layer, MapSelection, TSMapFitter, fit_norm_maps

EDGES = [1, 2.2, 10] * u.TeV
ALL = MapSelection(asymmetric_errors=True, n_sigma_ul=2.0, n_sigma_sensitivity=5.0, stat_scan=True)
OPTIONAL = ["errn-errp", "ul", "sensitivity"]
COLUMNS = ("norm", "norm_err", "ts", "npred", "npred_excess", "stat", "stat_null")
ROOTS = ("norm_errn", "norm_errp", "norm_ul")


def source(spatial: Any = None, index: float = 2.0) -> SkyModel:
    spectral = PowerLawSpectralModel(index=index)
    return SkyModel(spectral, spatial or PointSpatialModel(), name="kernel")


@pytest.fixture(scope="module")
def dataset() -> MapDataset:
    """Return a simulated source with a safe mask that depends on energy."""
    dataset = plain_gammapy.simulate(plain_gammapy.models("sim"), seed=3)
    offset = dataset.counts.geom.to_image().separation(dataset.counts.geom.center_skydir)
    dataset.mask_safe.data[0] = offset < 0.45 * u.deg
    dataset.mask_safe.data[1, :3] = False
    return dataset


@pytest.fixture(scope="module")
def cutout(dataset: MapDataset) -> MapDataset:
    """Return the centre of the dataset, since gammapy takes 10 ms per pixel for all maps."""
    return dataset.cutout(dataset.counts.geom.center_skydir, width="0.5 deg", name="few")


def plain_maps(datasets: Any, model: SkyModel, width: u.Quantity, summed: bool, **options: Any):
    """Return gammapy's maps, with a negligible tolerance of the root finding."""
    estimator = TSMapEstimator(
        model,
        kernel_width=width,
        energy_edges=options.pop("energy_edges", EDGES),
        sum_over_energy_groups=summed,
        selection_optional=options.pop("optional_maps", OPTIONAL),
        rtol=1e-9,
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.run(datasets)


def assert_same(result: Any, expected: Any) -> None:
    """Compare all maps, in the pixels that gammapy fitted, to within 1e-4, or 1e-5 absolute.

    The documented relative tolerance of such maps, 1e-3, is ten times larger.
    """
    is_fitted = expected.success.data & np.isfinite(expected.norm.data)
    assert is_fitted.sum() > 80
    np.testing.assert_array_equal(np.isfinite(result.norm.data), np.isfinite(expected.norm.data))
    for name in (*COLUMNS, *ROOTS):
        actual, reference = (getattr(maps, name).data for maps in (result, expected))
        is_finite = is_fitted & np.isfinite(reference)
        assert is_finite.sum() > 0.8 * is_fitted.sum()
        assert np.isfinite(actual[is_finite]).all()
        np.testing.assert_allclose(
            actual[is_finite], reference[is_finite], rtol=1e-4, atol=1e-5, err_msg=name
        )
    # gammapy searches for the sensitivity between 1e-3 and 1e3 times the norm, so that it is
    # negative for negative norms
    is_finite = is_fitted & (expected.norm.data > 0) & np.isfinite(expected.norm_sensitivity.data)
    np.testing.assert_allclose(
        result.norm_sensitivity.data[is_finite],
        expected.norm_sensitivity.data[is_finite],
        rtol=1e-4,
    )
    assert np.all(result.norm_sensitivity.data[is_fitted] > 0)


class TestAgainstGammapy:
    @pytest.mark.slow
    @pytest.mark.parametrize("summed", [True, False], ids=["summed", "each energy"])
    def test_maps_of_a_point_source_agree(self, cutout: MapDataset, summed: bool) -> None:
        width = 0.35 * u.deg
        actual = TSMapFitter(source(), width, summed, ALL).run([cutout], EDGES)
        assert_same(actual, plain_maps(cutout, source(), width, summed))

    @pytest.mark.slow
    def test_maps_of_an_extended_source_agree(self, cutout: MapDataset) -> None:
        model, width = source(GaussianSpatialModel(sigma="0.08 deg"), 2.6), 0.45 * u.deg
        actual = TSMapFitter(model, width, True, ALL).run([cutout], EDGES)
        expected = plain_maps(cutout, model, width, True)
        assert_same(actual, expected)
        np.testing.assert_allclose(actual.flux.data, expected.flux.data, rtol=1e-4, atol=1e-16)
        assert actual.flux.unit == expected.flux.unit

    @pytest.mark.slow
    def test_maps_of_joint_datasets_with_models_agree(self, cutout: MapDataset) -> None:
        second = plain_gammapy.simulate(plain_gammapy.models("other"), seed=4)
        second.exposure.data *= 0.5
        second = second.cutout(second.counts.geom.center_skydir, width="0.5 deg", name="other")
        datasets = Datasets([cutout.copy(name="sim"), second])
        background = FoVBackgroundModel(dataset_name="sim")
        background.spectral_model.norm.value = 1.1
        datasets.models = [background, plain_gammapy.models()["crab"]]
        edges = [1, 10] * u.TeV
        actual = TSMapFitter(source(), 0.35 * u.deg, True, ALL).run(list(datasets), edges)
        expected = plain_maps(datasets, source(), 0.35 * u.deg, True, energy_edges=edges)
        assert_same(actual, expected)

    def test_maps_with_a_kernel_wider_than_the_map_agree(self, cutout: MapDataset) -> None:
        edges, width = [1, 10] * u.TeV, 0.75 * u.deg
        actual = TSMapFitter(source(), width, True, ALL).run([cutout], edges)
        expected = plain_maps(cutout, source(), width, True, energy_edges=edges, optional_maps=[])
        np.testing.assert_allclose(actual.norm.data, expected.norm.data, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(actual.ts.data, expected.ts.data, rtol=1e-4, atol=1e-5)

    def test_maps_agree_within_the_default_precision_of_gammapy(self, dataset: MapDataset) -> None:
        width, edges = 0.35 * u.deg, [1, 10] * u.TeV
        actual = TSMapFitter(source(), width).run([dataset], edges)
        expected = TSMapEstimator(source(), kernel_width=width, energy_edges=edges).run(dataset)
        # gammapy's roots are accurate to 1 %, which is a small fraction of the error
        pulls = np.abs(actual.norm.data - expected.norm.data) / expected.norm_err.data
        assert np.nanmax(pulls) < 0.1
        np.testing.assert_allclose(actual.ts.data, expected.ts.data, atol=0.01)
        # skyred reaches the minimum, except for the rounding of float32 kernels
        assert np.nanmin(actual.ts.data - expected.ts.data) > -1e-4


class TestNullHypothesis:
    def test_source_is_detected_only_without_its_fitted_model(self, dataset: MapDataset) -> None:
        datasets = Datasets([dataset.copy(name="sim")])
        datasets.models = plain_gammapy.models("sim")
        edges, width = [1, 10] * u.TeV, 0.55 * u.deg
        with_source = TSMapFitter(source(), width).run([datasets[0]], edges)
        without_source = TSMapFitter(source(), width, excluded_models=["crab"]).run(
            [datasets[0]], edges
        )
        datasets.models = [FoVBackgroundModel(dataset_name="sim")]
        expected = plain_maps(datasets, source(), width, True, energy_edges=edges, optional_maps=[])
        # npred is the difference of two float32 sums
        np.testing.assert_allclose(without_source.ts.data, expected.ts.data, rtol=1e-3, atol=1e-2)
        assert np.nanmax(without_source.ts.data) > 400
        assert np.nanmax(with_source.ts.data) < 25

    def test_confidence_levels_are_applied(self, cutout: MapDataset) -> None:
        edges, width = [1, 10] * u.TeV, 0.35 * u.deg
        optional_maps = MapSelection(
            2.0, asymmetric_errors=True, n_sigma_ul=3.0, n_sigma_sensitivity=3.0
        )
        result = TSMapFitter(source(), width, True, optional_maps).run([cutout], edges)
        options = {"n_sigma": 2, "n_sigma_ul": 3, "n_sigma_sensitivity": 3, "energy_edges": edges}
        expected = plain_maps(cutout, source(), width, True, **options)
        for name in ("norm_err", "norm_errn", "norm_errp", "norm_ul"):
            actual, reference = (getattr(maps, name).data for maps in (result, expected))
            np.testing.assert_allclose(actual, reference, rtol=1e-4, atol=1e-5)
        # gammapy 2.1 always uses 5 sigma; with few counts the ratio is about 3/5
        ratio = result.norm_sensitivity.data / np.abs(expected.norm_sensitivity.data)
        assert 0.4 < np.nanmedian(ratio[expected.norm.data > 0]) < 0.62
        assert (result.n_sigma, result.n_sigma_ul) == (2, 3)


class TestKernel:
    def test_default_width_contains_the_source(self, dataset: MapDataset) -> None:
        fitter, edges = TSMapFitter(source()), [1, 10] * u.TeV
        actual = fitter.run([dataset], edges)
        wide = TSMapFitter(source(), 2 * u.deg).run([dataset], edges)
        peak = np.unravel_index(np.nanargmax(wide.ts.data), wide.ts.data.shape)
        # the default kernel contains 99 % of the counts
        assert actual.norm.data[peak] == pytest.approx(wide.norm.data[peak], rel=0.02)

    def test_missing_exposure_is_reported(self, dataset: MapDataset) -> None:
        unexposed = dataset.copy(name="unexposed")
        unexposed.exposure.data[...] = 0
        with pytest.raises(ModelError, match="exposure of unexposed is zero everywhere"):
            TSMapFitter(source()).run([unexposed], EDGES)
        unexposed.exposure = None
        with pytest.raises(ModelError, match="unexposed has no exposure; reduce it"):
            TSMapFitter(source()).run([unexposed], EDGES)

    def test_pixels_without_counts_of_the_source_have_zero_ts(self, dataset: MapDataset) -> None:
        unexposed = dataset.copy(name="unexposed")
        unexposed.exposure.data[:, 5:15, 5:15] = 0
        edges, width = [1, 10] * u.TeV, 0.25 * u.deg
        result = TSMapFitter(source(), width, True, ALL).run([unexposed], edges)
        expected = plain_maps(
            unexposed, source(), width, True, energy_edges=edges, optional_maps=[]
        )
        # gammapy's norm is -1e14 in these pixels
        without_counts = ~result.success.data & np.isfinite(expected.ts.data)
        assert without_counts.sum() > 10
        for name in ("ts", "npred", "npred_excess", "stat", "stat_null"):
            actual, reference = (
                getattr(maps, name).data[without_counts] for maps in (result, expected)
            )
            np.testing.assert_allclose(actual, reference, rtol=1e-5, err_msg=name)
        for name in ("norm", "norm_err", "norm_ul", "norm_sensitivity"):
            assert np.isnan(getattr(result, name).data[without_counts]).all()

    def test_fully_masked_dataset_is_reported(self, dataset: MapDataset) -> None:
        masked = dataset.copy(name="masked")
        masked.mask_safe.data[...] = False
        with pytest.raises(ModelError, match="no pixels to fit"):
            TSMapFitter(source()).run([masked], EDGES)

    def test_masked_energy_bin_does_not_affect_other_bins(self, dataset: MapDataset) -> None:
        masked = dataset.copy(name="masked")
        masked.mask_safe.data[2] = False
        actual = TSMapFitter(source()).run([masked], [1, 4.6, 10] * u.TeV)
        assert np.isfinite(actual.ts.data[0]).any()
        assert np.isnan(actual.ts.data[1]).all()
        assert not actual.success.data[1].any()


class TestSignOfTheSource:
    def test_fluxes_do_not_depend_on_the_sign(self, dataset: MapDataset) -> None:
        edges, width, maps_by_sign = [1, 10] * u.TeV, 0.35 * u.deg, []
        for amplitude in (1e-12, -1e-12):
            model = source()
            model.spectral_model.amplitude.value = amplitude
            maps_by_sign.append(TSMapFitter(model, width, True, ALL).run([dataset], edges))
        for name in ("flux", "flux_err", "flux_errn", "flux_errp", "flux_ul", "flux_sensitivity",
                     "sqrt_ts", "ts", "npred_excess"):  # fmt: skip
            positive, negative = (getattr(maps, name).data for maps in maps_by_sign)
            np.testing.assert_allclose(negative, positive, rtol=1e-9, err_msg=name)
        maps = maps_by_sign[1]
        is_fitted = maps.success.data
        assert np.all(maps.flux_ul.data[is_fitted] > maps.flux.data[is_fitted])
        assert np.all(maps.flux_err.data[is_fitted] > 0)
        assert np.all(maps.flux_sensitivity.data[is_fitted] > 0)
        assert np.all(np.sign(maps.sqrt_ts.data[is_fitted]) == np.sign(maps.flux.data[is_fitted]))
        assert np.any(maps.flux.data[is_fitted] < 0)

    def test_source_with_both_signs_is_rejected(self, cutout: MapDataset) -> None:
        steep, hard = (PowerLawSpectralModel(index=index) for index in (3, 2))
        hard.amplitude.value *= 0.3
        model = SkyModel(CompoundSpectralModel(steep, hard, operator.sub), PointSpatialModel())
        with pytest.raises(ModelError, match="the source changes sign with energy"):
            TSMapFitter(model, 0.35 * u.deg).run([cutout], [1, 10] * u.TeV)


def layer(counts: np.ndarray, background: float = 0.5, kernel: Any = None) -> Layer:
    """Return a map of one energy bin; the prediction increases from 1 to 2 along the x axis."""
    if kernel is None:
        kernel = np.array([[0.05, 0.1, 0.05], [0.1, 0.4, 0.1], [0.05, 0.1, 0.05]])
    npred_per_norm = np.broadcast_to(np.linspace(1, 2, counts.shape[1]), counts.shape)
    planes = (counts, np.full(counts.shape, background), npred_per_norm)
    arrays = (plane[None] for plane in planes)
    mask = np.ones((1, *counts.shape), dtype=bool)
    return Layer.from_bins(*arrays, mask, kernel[None])


class TestExactResults:
    def test_counts_in_one_bin_have_an_analytical_norm(self) -> None:
        """Compare with the norm n / S - b / s of n counts in one bin; gammapy finds no root.

        The bin has the background b and the signal s, and S is the signal in all bins.
        """
        counts = np.zeros((5, 5))
        counts[2, 2] = 7
        data = layer(counts)
        maps = fit_norm_maps([data], np.ones((5, 5), bool), MapSelection(n_sigma_ul=2.0))
        signal = 0.4 * 1.5
        total = float(data.signal()[2, 2])
        expected = 7 / total - 0.5 / signal
        assert maps.norm[2, 2] == pytest.approx(expected, rel=1e-9)
        assert maps.norm_err[2, 2] == pytest.approx(np.sqrt(7) / total, rel=1e-6)
        log_likelihood_ratio = 7 * np.log1p(expected * signal / 0.5) - expected * total
        assert maps.ts[2, 2] == pytest.approx(2 * log_likelihood_ratio, rel=1e-9)
        assert maps.success.all()

    def test_limit_without_counts_is_the_poisson_limit(self) -> None:
        data = layer(np.zeros((5, 5)))
        maps = fit_norm_maps(
            [data], np.ones((5, 5), bool), MapSelection(asymmetric_errors=True, n_sigma_ul=2.0)
        )
        floor = -0.5 / (0.4 * 1.5)  # the brightest bin has no predicted counts at this norm
        assert maps.norm[2, 2] == pytest.approx(floor, rel=1e-9)
        # the slope of the statistic is twice the signal in all bins; gammapy returns NaN
        assert maps.norm_ul[2, 2] - floor == pytest.approx(4 / (2 * data.signal()[2, 2]))
        assert np.isinf(maps.norm_err[2, 2])
        assert np.isnan(maps.norm_errn).all()

    @settings(deadline=None, max_examples=30)
    @given(
        counts=st.lists(st.integers(0, 5), min_size=49, max_size=49),
        factor=st.floats(0.01, 100),
    )
    def test_norms_scale_inversely_with_the_prediction(
        self, counts: list[int], factor: float
    ) -> None:
        data = layer(np.array(counts, dtype=float).reshape(7, 7))
        scaled_data = attrs.evolve(data, npred_per_norm=data.npred_per_norm * factor)
        maps, scaled_maps = (
            fit_norm_maps([counts_layer], np.ones((7, 7), bool), ALL)
            for counts_layer in (data, scaled_data)
        )
        np.testing.assert_allclose(scaled_maps.ts, maps.ts, rtol=1e-5, atol=1e-7)
        for name in ("norm", "norm_err", "norm_errn", "norm_errp", "norm_ul", "norm_sensitivity"):
            norm = getattr(scaled_maps, name) * factor
            np.testing.assert_allclose(norm, getattr(maps, name), rtol=1e-5, atol=1e-7)

    @settings(deadline=None, max_examples=30)
    @given(counts=st.lists(st.integers(0, 4), min_size=49, max_size=49))
    def test_norms_minimise_the_statistic(self, counts: list[int]) -> None:
        """Check that the Cash statistic is not lower at other norms within the limits."""
        data = layer(np.array(counts, dtype=float).reshape(7, 7))
        maps = fit_norm_maps([data], np.ones((7, 7), bool), MapSelection())
        lowest = data.lowest_norms(np.ones((7, 7), bool))
        for step in (-0.3, -1e-3, 1e-3, 0.3):
            norm = np.maximum(maps.norm + step, lowest)
            for j, i in np.ndindex(7, 7):
                box = slice(j, j + 3), slice(i, i + 3)
                signal = data.npred_per_norm[0][box] * data.kernels[0, 0]
                n, b = data.counts[0][box], data.background[0][box]
                mu = np.maximum(b + norm[j, i] * signal, 1e-25)
                stat = 2 * (mu.sum() - (n * np.log(np.maximum(mu, 1e-25))).sum())
                assert stat >= maps.stat[j, i] - 1e-8

    def test_two_equal_maps_have_twice_the_ts(self) -> None:
        data = layer(np.random.default_rng(1).poisson(0.7, (8, 8)).astype(float))
        mask = np.ones((8, 8), bool)
        single, double = fit_norm_maps([data], mask, ALL), fit_norm_maps([data, data], mask, ALL)
        np.testing.assert_allclose(double.norm, single.norm, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(double.ts, 2 * single.ts, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(double.norm_err, single.norm_err / np.sqrt(2), rtol=1e-6)
        np.testing.assert_allclose(double.stat, 2 * single.stat, rtol=1e-9)

    def test_block_size_does_not_change_the_result(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = layer(np.random.default_rng(2).poisson(0.7, (9, 9)).astype(float))
        mask = np.random.default_rng(3).random((9, 9)) > 0.2
        one_block = fit_norm_maps([data], mask, ALL)
        monkeypatch.setattr("skyred.likelihood.flux.ts_map.pixels.MAX_PAIRS", 20)
        small_blocks = fit_norm_maps([data], mask, ALL)
        for name in attrs.fields_dict(type(one_block)):
            # the blocks are summed in another order
            np.testing.assert_allclose(
                getattr(small_blocks, name), getattr(one_block, name), rtol=1e-12
            )


def test_datasets_and_models_are_not_changed(dataset: MapDataset) -> None:
    datasets = Datasets([dataset.copy(name="sim")])
    datasets.models = Models(plain_gammapy.models("sim"))
    stat, counts = datasets.stat_sum(), datasets[0].counts.data.copy()
    names = datasets.models.names
    TSMapFitter(source(), excluded_models=["crab"]).run([datasets[0]], EDGES)
    assert datasets.stat_sum() == stat
    np.testing.assert_array_equal(datasets[0].counts.data, counts)
    assert datasets.models.names == names
