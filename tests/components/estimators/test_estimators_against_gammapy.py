"""Comparison of estimators with those of gammapy on a small simulated dataset."""

import astropy.units as u
import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import ExcessMapEstimator, FluxPointsEstimator
from gammapy.modeling.models import Models

import small_datasets as small
from skyred.components.fitters.minuit import Minuit
from skyred.components.gammapy import ExcessMap, FluxPoints, Residuals
from skyred.errors import FieldError, ModelError
from skyred.interfaces import Estimator
from skyred.likelihood import objective_of

EDGES = [1, 3, 10] * u.TeV
REGION = "icrs; circle(83.652, 22.031, 0.2)"


@pytest.fixture(scope="module")
def fit(simulated_dataset, true_models) -> tuple[MapDataset, Models, object]:
    datasets = Datasets([simulated_dataset.copy(name="sim")])
    datasets.models = true_models.copy()
    objective = objective_of(datasets)
    result = Minuit().fit(objective)
    objective.accept(result)
    return datasets[0], datasets.models, result


@pytest.fixture
def datasets(fit) -> Datasets:
    return copy_datasets(fit)


def copy_datasets(fit) -> Datasets:
    dataset, models, _ = fit
    datasets = Datasets([dataset.copy(name="sim")])
    datasets.models = models.copy()
    return datasets


ESTIMATORS = [
    FluxPoints(source="crab", energy_edges=EDGES, columns=()),
    FluxPoints(source="crab", energy_edges=EDGES, columns=(), reoptimize=True),
    Residuals(region=REGION),
    ExcessMap(energy_edges=EDGES),
]


@pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=["flux", "reoptimized", "residuals", "excess"]
)
def test_datasets_and_models_are_unchanged(fit, datasets, estimator):
    expected = copy_datasets(fit)
    result = fit[2]
    estimator.estimate(datasets, result)
    dataset = datasets["sim"]
    for name in ("counts", "background", "mask_safe", "exposure"):
        expected_map = getattr(expected["sim"], name)
        np.testing.assert_array_equal(getattr(dataset, name).data, expected_map.data)
    assert dataset.mask_fit is None
    assert dataset.name == "sim"
    assert datasets.models.names == expected.models.names
    for parameter, expected_parameter in zip(
        datasets.models.parameters, expected.models.parameters, strict=True
    ):
        assert (parameter.value, parameter.error, parameter.frozen) == (
            expected_parameter.value,
            expected_parameter.error,
            expected_parameter.frozen,
        )
        np.testing.assert_array_equal(
            [parameter.min, parameter.max], [expected_parameter.min, expected_parameter.max]
        )
    np.testing.assert_array_equal(datasets.models.covariance.data, expected.models.covariance.data)
    assert datasets.models.covariance.data.any()
    # gammapy may reuse a PSF kernel that it cached at a nearby position
    assert datasets.stat_sum() == pytest.approx(expected.stat_sum(), abs=1e-3)


class TestFluxPoints:
    @pytest.mark.slow
    @pytest.mark.parametrize("reoptimize", [False, True], ids=["norm only", "reoptimized"])
    def test_agree_with_gammapy(self, fit, datasets, reoptimize):
        # optional columns are compared on the Crab (test_crab_against_gammapy.py)
        estimator = FluxPoints(source="crab", energy_edges=EDGES, columns=(), reoptimize=reoptimize)
        actual = estimator.estimate(datasets, None).flux.to_table(sed_type="likelihood")
        gammapy_estimator = FluxPointsEstimator(
            source="crab", energy_edges=EDGES, reoptimize=reoptimize
        )
        expected = gammapy_estimator.run(copy_datasets(fit)).to_table(sed_type="likelihood")
        assert actual.colnames == expected.colnames
        for name in expected.colnames:
            if expected[name].dtype.kind == "f":
                # tolerance of gammapy's root finding
                np.testing.assert_allclose(actual[name], expected[name], rtol=1e-3, err_msg=name)

    def test_recover_the_truth_in_a_table_with_units(self, true_models, datasets):
        product = FluxPoints(source="crab", energy_edges=EDGES, columns=()).estimate(datasets, None)
        table = product.table()
        expected = true_models["crab"].spectral_model(table["e_ref"].quantity)
        pulls = (table["dnde"].quantity - expected) / table["dnde_err"].quantity
        # raises if the units differ; the chance of a pull above 4 sigma is 1 in 8000
        assert np.all(np.abs(pulls.to_value("")) < 4)

    @pytest.mark.slow
    def test_errors_and_limits_for_other_n_sigma_agree_with_gammapy(self, fit, datasets):
        edges, options = EDGES[1:], {"n_sigma": 2.0, "n_sigma_ul": 3.0}
        estimator = FluxPoints(source="crab", energy_edges=edges, columns=["ul"], **options)
        actual = estimator.estimate(datasets, None).flux
        gammapy_estimator = FluxPointsEstimator(
            source="crab", energy_edges=edges, selection_optional=["ul"], **options
        )
        expected = gammapy_estimator.run(copy_datasets(fit))
        for name in ("norm_err", "norm_ul"):
            # tolerance of gammapy's root finding
            np.testing.assert_allclose(
                getattr(actual, name).data, getattr(expected, name).data, rtol=1e-3
            )

    def test_edges_that_do_not_increase_are_rejected(self):
        with pytest.raises(FieldError, match="must increase"):
            FluxPoints(source="crab", energy_edges=["2 TeV", "1 TeV"])


class TestResiduals:
    def test_significance_agrees_with_gammapy(self, fit, datasets):
        maps = Residuals(correlation_radius="0.12 deg").estimate(datasets, None).maps
        gammapy_estimator = ExcessMapEstimator(0.12 * u.deg, sum_over_energy_groups=True)
        expected = gammapy_estimator.run(copy_datasets(fit)["sim"]).sqrt_ts
        # npred is float32 in gammapy; if a kernel sum is close to 0, sqrt_ts is also close to 0
        np.testing.assert_allclose(maps["sqrt_ts"].data, expected.data, rtol=1e-3, atol=1e-3)

    def test_maps_are_counts_and_prediction(self, fit, datasets):
        maps = Residuals().estimate(datasets, None).maps
        dataset = copy_datasets(fit)["sim"]
        npred = dataset.npred().data.sum(axis=0)
        np.testing.assert_array_equal(maps["counts"].data[0], dataset.counts.data.sum(axis=0))
        # float32
        np.testing.assert_allclose(maps["npred"].data[0], npred, rtol=1e-5)
        np.testing.assert_allclose(
            maps["residuals"].data, maps["counts"].data - maps["npred"].data, rtol=1e-6
        )

    def test_counts_spectrum_is_extracted_from_the_region(self, fit, datasets):
        table = Residuals(region=REGION).estimate(datasets, None).table()
        dataset = copy_datasets(fit)["sim"]
        mask = dataset.counts.geom.to_image().region_mask(REGION).data
        assert table["counts"].tolist() == dataset.counts.data[:, mask].sum(axis=1).tolist()
        expected = dataset.npred().data[:, mask].sum(axis=1)
        np.testing.assert_allclose(table["npred"], expected, rtol=1e-5)  # float32
        # Cash (1979): square root of -2 log of the likelihood ratio, with the sign of the excess
        n, mu = table["counts"].data, table["npred"].data
        sqrt_ts = np.sign(n - mu) * np.sqrt(2 * (mu - n + n * np.log(n / mu)))
        np.testing.assert_allclose(table["sqrt_ts"], sqrt_ts, rtol=1e-6)

    def test_counts_outside_the_mask_are_ignored(self, fit, datasets):
        datasets["sim"].mask_safe.data[0] = False
        product = Residuals().estimate(datasets, None)
        counts = copy_datasets(fit)["sim"].counts.data
        assert product.maps["counts"].data.sum() == counts[1:].sum()
        assert product.table()["counts"][0] == 0

    def test_significances_of_the_true_model_are_normal(self, simulated_dataset, true_models):
        # the counts are simulated from these models
        datasets = Datasets([simulated_dataset.copy(name="sim")])
        datasets.models = true_models.copy()
        sqrt_ts = Residuals(correlation_radius="0.2 deg").estimate(datasets, None).maps["sqrt_ts"]
        # about 25 independent disks: the mean of their significances scatters by 0.2, the standard
        # deviation by 0.14
        assert abs(np.nanmean(sqrt_ts.data)) < 0.8
        assert 0.5 < np.nanstd(sqrt_ts.data) < 1.5


class TestExcessMap:
    def run_gammapy_estimator(self, fit, *, energy_edges=None, **options):
        dataset = copy_datasets(fit)["sim"]
        background = dataset.npred_background()
        dataset.models = None
        dataset.background = background
        return ExcessMapEstimator(0.1 * u.deg, energy_edges=energy_edges, **options).run(dataset)

    @pytest.mark.parametrize("edges", [None, EDGES], ids=["one bin", "two bins"])
    def test_maps_agree_with_gammapy(self, fit, datasets, edges):
        maps = ExcessMap(energy_edges=edges).estimate(datasets, None).maps
        gammapy_edges = [1, 10] * u.TeV if edges is None else edges
        expected = self.run_gammapy_estimator(fit, energy_edges=gammapy_edges)
        for name in ("npred", "npred_excess", "sqrt_ts", "ts", "flux", "flux_err"):
            quantity, expected_quantity = getattr(maps, name), getattr(expected, name)
            assert quantity.unit == expected_quantity.unit
            scale = np.nanmax(np.abs(expected_quantity.data))
            # float32 maps, convolved by FFT: rounding errors scale with the largest value
            np.testing.assert_allclose(
                quantity.data, expected_quantity.data, rtol=1e-4, atol=1e-5 * scale
            )

    def test_flux_of_several_datasets_uses_the_exposure_within_their_masks(self):
        low, high = small.map_dataset("low"), small.map_dataset("high", seed=5)
        high.mask_safe.data[0] = False  # as in a run with a higher energy threshold
        maps = ExcessMap().estimate(Datasets([low, high]), None).maps
        gammapy_estimator = ExcessMapEstimator(0.1 * u.deg, selection_optional=[])
        expected = [gammapy_estimator.run(dataset) for dataset in (low, high)]
        excess = sum(flux_maps.npred_excess.data for flux_maps in expected)
        exposure = sum(flux_maps.npred_excess.data / flux_maps.norm.data for flux_maps in expected)
        np.testing.assert_allclose(maps.npred_excess.data, excess, rtol=1e-4, atol=1e-4)
        # float32 maps, convolved by FFT
        np.testing.assert_allclose(maps.norm.data, excess / exposure, rtol=1e-3, atol=1e-6)

    def test_map_without_background_is_rejected(self):
        dataset = small.map_dataset("sim")
        dataset.background = None
        with pytest.raises(ModelError, match="sim has no background"):
            ExcessMap().estimate(Datasets([dataset]), None)

    def test_flux_is_close_to_the_simulated_flux(self, datasets, true_models):
        # a disk as wide as the map contains nearly all of the source
        maps = (
            ExcessMap(correlation_radius="0.4 deg", energy_edges=[1, 3] * u.TeV)
            .estimate(datasets, None)
            .maps
        )
        spatial = true_models["crab"].spatial_model
        flux = maps.flux.get_by_coord((spatial.lon_0.quantity, spatial.lat_0.quantity, 1.7 * u.TeV))
        expected = true_models["crab"].spectral_model.integral(1 * u.TeV, 3 * u.TeV)
        # 5 % of the counts are outside the disk, and the index differs from the reference model's
        assert flux[0] == pytest.approx(expected.to_value(maps.flux.unit), rel=0.2)

    def test_maximum_is_at_the_position_of_the_source(self, datasets, true_models):
        table = ExcessMap().estimate(datasets, None).table()
        spatial = true_models["crab"].spatial_model
        # within 0.08 deg; pixels are 0.05 deg wide
        assert table["lon"][0] == pytest.approx(spatial.lon_0.value, abs=0.08)
        assert table["lat"][0] == pytest.approx(spatial.lat_0.value, abs=0.08)
        assert table["sqrt_ts_max"][0] > 10

    def test_unknown_dataset_is_reported_with_the_available_datasets(self, datasets):
        with pytest.raises(ModelError, match=r"no dataset is named 'hess\*'; available: sim"):
            ExcessMap(datasets=["hess*"]).estimate(datasets, None)


class TestSeveralDatasets:
    @pytest.fixture
    def halves(self, fit) -> Datasets:
        """Return the two halves of the map as datasets; their masks do not overlap."""
        dataset = copy_datasets(fit)["sim"]
        center = dataset.counts.geom.center_skydir
        norm = fit[1]["sim-bkg"].spectral_model.norm.value
        datasets = Datasets()
        for name, shift in (("east", 0.2), ("west", -0.2)):
            half_center = center.spherical_offsets_by(shift * u.deg, 0 * u.deg)
            half_dataset = dataset.cutout(half_center, width=(0.6, 1) * u.deg, name=name)
            lon = half_dataset.counts.geom.get_coord().lon
            half_dataset.mask_safe.data &= (
                (lon >= center.ra) if name == "east" else (lon < center.ra)
            )
            half_dataset.background = half_dataset.background * norm
            datasets.append(half_dataset)
        datasets.models = [fit[1]["crab"].copy(name="crab")]
        return datasets

    def test_residuals_of_halves_agree_with_the_full_map(self, fit, halves):
        expected = Residuals().estimate(copy_datasets(fit), None)
        residuals = Residuals().estimate(halves, None)
        assert residuals.maps["counts"].data.sum() == expected.maps["counts"].data.sum()
        assert residuals.maps["counts"].geom.data_shape == expected.maps["counts"].geom.data_shape
        np.testing.assert_array_equal(residuals.maps["counts"].data, expected.maps["counts"].data)
        # PSF kernels are cut at the edge of each half
        np.testing.assert_allclose(
            residuals.maps["npred"].data.sum(), expected.maps["npred"].data.sum(), rtol=1e-2
        )

    def test_excess_of_halves_agrees_with_the_full_map(self, fit, halves):
        expected = ExcessMap().estimate(copy_datasets(fit), None).maps
        maps = ExcessMap().estimate(halves, None).maps
        # float32 maps, convolved by FFT
        np.testing.assert_allclose(
            maps.npred_excess.data, expected.npred_excess.data, rtol=1e-3, atol=1e-3
        )
        np.testing.assert_allclose(maps.sqrt_ts.data, expected.sqrt_ts.data, rtol=1e-2, atol=1e-2)

    def test_different_grids_are_rejected(self, halves):
        halves[1].counts = halves[1].counts.upsample(2)
        with pytest.raises(ModelError, match=r"east and west are on different pixel grids"):
            Residuals().estimate(halves, None)


@pytest.mark.slow
def test_gammapy_estimator_is_adapted(fit, datasets, tmp_path):
    gammapy_estimator = FluxPointsEstimator(source="crab", energy_edges=EDGES)
    adapted_estimator = Estimator.adapt(gammapy_estimator)
    product = adapted_estimator.estimate(datasets, None)
    assert product.name == "FluxPointsEstimator"
    expected = gammapy_estimator.run(copy_datasets(fit))
    np.testing.assert_allclose(product.value.norm.data, expected.norm.data, rtol=1e-3)
    assert product.table()["norm" if "norm" in product.table().colnames else "dnde"] is not None
    paths = product.write(tmp_path)
    assert [path.suffix for path in paths] == [".fits", ".yaml"]
    assert all(path.is_file() for path in paths)
