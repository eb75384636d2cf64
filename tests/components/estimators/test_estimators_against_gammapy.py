"""Comparison of estimators with gammapy's, on a small simulated dataset."""

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
def fitted(simulated, truth) -> tuple[MapDataset, Models, object]:
    datasets = Datasets([simulated.copy(name="sim")])
    datasets.models = truth.copy()
    objective = objective_of(datasets)
    result = Minuit().fit(objective)
    objective.accept(result)
    return datasets[0], datasets.models, result


@pytest.fixture
def datasets(fitted) -> Datasets:
    return fresh(fitted)


def fresh(fitted) -> Datasets:
    dataset, models, _ = fitted
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
def test_leaves_datasets_and_models_as_they_were(fitted, datasets, estimator):
    expected = fresh(fitted)
    result = fitted[2]
    estimator.estimate(datasets, result)
    dataset, before = datasets["sim"], expected["sim"]
    for name in ("counts", "background", "mask_safe", "exposure"):
        np.testing.assert_array_equal(getattr(dataset, name).data, getattr(before, name).data)
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
    # the kernel is cached for this position, and not computed again
    assert datasets.stat_sum() == pytest.approx(expected.stat_sum(), abs=1e-3)


class TestFluxPoints:
    @pytest.mark.parametrize("reoptimize", [False, True], ids=["norm only", "reoptimized"])
    def test_agree_with_gammapy(self, fitted, datasets, reoptimize):
        # the optional columns are compared with gammapy's on the Crab
        estimator = FluxPoints(source="crab", energy_edges=EDGES, columns=(), reoptimize=reoptimize)
        ours = estimator.estimate(datasets, None).flux.to_table(sed_type="likelihood")
        plain = FluxPointsEstimator(source="crab", energy_edges=EDGES, reoptimize=reoptimize)
        expected = plain.run(fresh(fitted)).to_table(sed_type="likelihood")
        assert ours.colnames == expected.colnames
        for name in expected.colnames:
            if expected[name].dtype.kind == "f":
                # tolerance of gammapy's root finding
                np.testing.assert_allclose(ours[name], expected[name], rtol=1e-3, err_msg=name)

    def test_recover_the_truth_in_a_table_with_units(self, truth, datasets):
        product = FluxPoints(source="crab", energy_edges=EDGES, columns=()).estimate(datasets, None)
        table = product.table()
        expected = truth["crab"].spectral_model(table["e_ref"].quantity)
        pulls = (table["dnde"].quantity - expected) / table["dnde_err"].quantity
        # raises if the units differ; the chance of a pull above 4 sigma is 1 in 8000
        assert np.all(np.abs(pulls.to_value("")) < 4)

    def test_widths_of_errors_and_limits(self, fitted, datasets):
        edges, options = EDGES[1:], {"n_sigma": 2.0, "n_sigma_ul": 3.0}
        estimator = FluxPoints(source="crab", energy_edges=edges, columns=["ul"], **options)
        ours = estimator.estimate(datasets, None).flux
        plain = FluxPointsEstimator(
            source="crab", energy_edges=edges, selection_optional=["ul"], **options
        )
        expected = plain.run(fresh(fitted))
        for name in ("norm_err", "norm_ul"):
            # tolerance of gammapy's root finding
            np.testing.assert_allclose(
                getattr(ours, name).data, getattr(expected, name).data, rtol=1e-3
            )

    def test_edges_that_do_not_increase_are_refused(self):
        with pytest.raises(FieldError, match="must increase"):
            FluxPoints(source="crab", energy_edges=["2 TeV", "1 TeV"])


class TestResiduals:
    def test_significance_agrees_with_gammapy(self, fitted, datasets):
        maps = Residuals(correlation_radius="0.12 deg").estimate(datasets, None).maps
        plain = ExcessMapEstimator(0.12 * u.deg, sum_over_energy_groups=True)
        expected = plain.run(fresh(fitted)["sim"]).sqrt_ts
        # npred is float32 in gammapy; if a kernel sum is close to 0, sqrt_ts is also close to 0
        np.testing.assert_allclose(maps["sqrt_ts"].data, expected.data, rtol=1e-3, atol=1e-3)

    def test_maps_are_counts_and_prediction(self, fitted, datasets):
        maps = Residuals().estimate(datasets, None).maps
        dataset = fresh(fitted)["sim"]
        npred = dataset.npred().data.sum(axis=0)
        np.testing.assert_array_equal(maps["counts"].data[0], dataset.counts.data.sum(axis=0))
        # float32
        np.testing.assert_allclose(maps["npred"].data[0], npred, rtol=1e-5)
        np.testing.assert_allclose(
            maps["residuals"].data, maps["counts"].data - maps["npred"].data, rtol=1e-6
        )

    def test_spectrum_is_counted_in_the_region(self, fitted, datasets):
        table = Residuals(region=REGION).estimate(datasets, None).table()
        dataset = fresh(fitted)["sim"]
        mask = dataset.counts.geom.to_image().region_mask(REGION).data
        assert table["counts"].tolist() == dataset.counts.data[:, mask].sum(axis=1).tolist()
        expected = dataset.npred().data[:, mask].sum(axis=1)
        np.testing.assert_allclose(table["npred"], expected, rtol=1e-5)  # float32
        # Cash (1979): the square root of the likelihood ratio, with the sign of the excess
        n, mu = table["counts"].data, table["npred"].data
        sqrt_ts = np.sign(n - mu) * np.sqrt(2 * (mu - n + n * np.log(n / mu)))
        np.testing.assert_allclose(table["sqrt_ts"], sqrt_ts, rtol=1e-6)

    def test_counts_outside_the_mask_are_ignored(self, fitted, datasets):
        datasets["sim"].mask_safe.data[0] = False
        product = Residuals().estimate(datasets, None)
        counts = fresh(fitted)["sim"].counts.data
        assert product.maps["counts"].data.sum() == counts[1:].sum()
        assert product.table()["counts"][0] == 0

    def test_significances_of_the_true_model_scatter_by_one(self, simulated, truth):
        # truth: with the simulated model, pulls are normal
        datasets = Datasets([simulated.copy(name="sim")])
        datasets.models = truth.copy()
        sqrt_ts = Residuals(correlation_radius="0.2 deg").estimate(datasets, None).maps["sqrt_ts"]
        # some 25 independent disks: their mean scatters by 0.2, their width by 0.14
        assert abs(np.nanmean(sqrt_ts.data)) < 0.8
        assert 0.5 < np.nanstd(sqrt_ts.data) < 1.5


class TestExcess:
    def run_plain(self, fitted, *, energy_edges=None, **options):
        dataset = fresh(fitted)["sim"]
        background = dataset.npred_background()
        dataset.models = None
        dataset.background = background
        return ExcessMapEstimator(0.1 * u.deg, energy_edges=energy_edges, **options).run(dataset)

    @pytest.mark.parametrize("edges", [None, EDGES], ids=["one bin", "two bins"])
    def test_maps_agree_with_gammapy(self, fitted, datasets, edges):
        maps = ExcessMap(energy_edges=edges).estimate(datasets, None).maps
        plain_edges = [1, 10] * u.TeV if edges is None else edges
        expected = self.run_plain(fitted, energy_edges=plain_edges)
        for name in ("npred", "npred_excess", "sqrt_ts", "ts", "flux", "flux_err"):
            quantity, expected_quantity = getattr(maps, name), getattr(expected, name)
            assert quantity.unit == expected_quantity.unit
            scale = np.nanmax(np.abs(expected_quantity.data))
            # float32 maps, convolved by FFT: rounding is that of the largest value
            np.testing.assert_allclose(
                quantity.data, expected_quantity.data, rtol=1e-4, atol=1e-5 * scale
            )

    def test_errors_and_limits_agree_with_gammapy(self, datasets):
        # only a few pixels, since a root is searched in each
        dataset = datasets["sim"]
        cutout = dataset.cutout(dataset.counts.geom.center_skydir, width="0.3 deg", name="sim")
        maps = ExcessMap(errors=True).estimate(Datasets([cutout]), None).maps
        plain = ExcessMapEstimator(
            0.1 * u.deg, energy_edges=[1, 10] * u.TeV, selection_optional=["errn-errp", "ul"]
        )
        expected = plain.run(cutout)
        for name in ("norm_errn", "norm_errp", "norm_ul"):
            # tolerance of gammapy's root finding
            np.testing.assert_allclose(
                getattr(maps, name).data, getattr(expected, name).data, rtol=1e-3
            )

    def test_flux_of_several_datasets_uses_the_exposure_within_their_masks(self):
        low, high = small.map_dataset("low"), small.map_dataset("high", seed=5)
        high.mask_safe.data[0] = False  # as of a run with a higher threshold
        maps = ExcessMap().estimate(Datasets([low, high]), None).maps
        plain = ExcessMapEstimator(0.1 * u.deg, selection_optional=[])
        flux_maps = [plain.run(dataset) for dataset in (low, high)]
        excess = sum(single.npred_excess.data for single in flux_maps)
        exposure = sum(single.npred_excess.data / single.norm.data for single in flux_maps)
        np.testing.assert_allclose(maps.npred_excess.data, excess, rtol=1e-4, atol=1e-4)
        # float32 maps, convolved by FFT
        np.testing.assert_allclose(maps.norm.data, excess / exposure, rtol=1e-3, atol=1e-6)

    def test_map_without_background_is_refused(self):
        bare = small.map_dataset("bare")
        bare.background = None
        with pytest.raises(ModelError, match="bare has no background"):
            ExcessMap().estimate(Datasets([bare]), None)

    def test_flux_is_close_to_the_simulated_flux(self, datasets, truth):
        # a disk as wide as the map contains nearly all of the source
        maps = (
            ExcessMap(correlation_radius="0.4 deg", energy_edges=[1, 3] * u.TeV)
            .estimate(datasets, None)
            .maps
        )
        spatial = truth["crab"].spatial_model
        flux = maps.flux.get_by_coord((spatial.lon_0.quantity, spatial.lat_0.quantity, 1.7 * u.TeV))
        expected = truth["crab"].spectral_model.integral(1 * u.TeV, 3 * u.TeV)
        # 5 % of the counts are outside, and the index is not that of the reference
        assert flux[0] == pytest.approx(expected.to_value(maps.flux.unit), rel=0.2)

    def test_maximum_is_at_the_position_of_the_source(self, datasets, truth):
        table = ExcessMap().estimate(datasets, None).table()
        spatial = truth["crab"].spatial_model
        # within one and a half pixels of 0.05 deg
        assert table["lon"][0] == pytest.approx(spatial.lon_0.value, abs=0.08)
        assert table["lat"][0] == pytest.approx(spatial.lat_0.value, abs=0.08)
        assert table["sqrt_ts_max"][0] > 10

    def test_unknown_dataset_is_reported_with_the_available_ones(self, datasets):
        with pytest.raises(ModelError, match=r"no dataset is named 'hess\*'; available: sim"):
            ExcessMap(datasets=["hess*"]).estimate(datasets, None)


class TestSeveralDatasets:
    @pytest.fixture
    def halves(self, fitted) -> Datasets:
        """Return the two halves of the map as datasets that overlap slightly."""
        dataset = fresh(fitted)["sim"]
        center = dataset.counts.geom.center_skydir
        parts = []
        for name, shift in (("east", 0.2), ("west", -0.2)):
            half_center = center.spherical_offsets_by(shift * u.deg, 0 * u.deg)
            part = dataset.cutout(half_center, width=(0.6, 1) * u.deg, name=name)
            side = part.counts.geom.get_coord().lon
            part.mask_safe.data &= (side >= center.ra) if name == "east" else (side < center.ra)
            part.background = part.background * 1.0
            parts.append(part)
        datasets = Datasets(parts)
        norm = fitted[1]["sim-bkg"].spectral_model.norm.value
        for part in parts:
            part.background.data *= norm
        datasets.models = [fitted[1]["crab"].copy(name="crab")]
        return datasets

    def test_residuals_of_halves_agree_with_the_full_map(self, fitted, halves):
        expected = Residuals().estimate(fresh(fitted), None)
        residuals = Residuals().estimate(halves, None)
        assert residuals.maps["counts"].data.sum() == expected.maps["counts"].data.sum()
        assert residuals.maps["counts"].geom.data_shape == expected.maps["counts"].geom.data_shape
        np.testing.assert_array_equal(residuals.maps["counts"].data, expected.maps["counts"].data)
        # PSF kernels are cut at the edge of each half
        np.testing.assert_allclose(
            residuals.maps["npred"].data.sum(), expected.maps["npred"].data.sum(), rtol=1e-2
        )

    def test_excess_of_halves_agrees_with_the_full_map(self, fitted, halves):
        expected = ExcessMap().estimate(fresh(fitted), None).maps
        maps = ExcessMap().estimate(halves, None).maps
        # float32 maps, convolved by FFT
        np.testing.assert_allclose(
            maps.npred_excess.data, expected.npred_excess.data, rtol=1e-3, atol=1e-3
        )
        np.testing.assert_allclose(maps.sqrt_ts.data, expected.sqrt_ts.data, rtol=1e-2, atol=1e-2)

    def test_different_grids_are_refused(self, halves):
        halves[1].counts = halves[1].counts.upsample(2)
        with pytest.raises(ModelError, match=r"east and west are on different pixel grids"):
            Residuals().estimate(halves, None)


def test_gammapy_estimator_is_adapted(fitted, datasets, tmp_path):
    plain = FluxPointsEstimator(source="crab", energy_edges=EDGES)
    adapted = Estimator.adapt(plain)
    product = adapted.estimate(datasets, None)
    assert product.name == "FluxPointsEstimator"
    expected = plain.run(fresh(fitted))
    np.testing.assert_allclose(product.value.norm.data, expected.norm.data, rtol=1e-3)
    assert product.table()["norm" if "norm" in product.table().colnames else "dnde"] is not None
    paths = product.write(tmp_path)
    assert [path.suffix for path in paths] == [".fits", ".yaml"]
    assert all(path.is_file() for path in paths)
