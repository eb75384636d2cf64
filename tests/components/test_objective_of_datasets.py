"""The objective of datasets: the fit statistic as a function of the free parameters."""

import numpy as np
import pytest
from gammapy.datasets import Datasets, MapDataset
from gammapy.modeling import Fit
from gammapy.modeling.models import GaussianPrior, Models
from scipy.stats import norm

import plain_gammapy
from skyred.components.fitters.minuit import Minuit
from skyred.errors import FitError
from skyred.likelihood import objective_of

NAMES = (
    "crab.spectral.index",
    "crab.spectral.amplitude",
    "crab.spatial.lon_0",
    "crab.spatial.lat_0",
    "sim-bkg.spectral.norm",
)


@pytest.fixture
def datasets(simulated_dataset: MapDataset, true_models: Models) -> Datasets:
    datasets = Datasets([simulated_dataset.copy(name="sim")])
    datasets.models = true_models.copy()
    return datasets


def index_of(datasets: Datasets):
    return datasets.models["crab"].spectral_model.index


def test_objective_has_the_properties_of_the_free_parameters(datasets):
    index_of(datasets).min, index_of(datasets).max = 1, 4
    objective = objective_of(datasets)
    free = datasets.models.parameters.free_parameters
    assert objective.names == NAMES
    assert objective.start.tolist() == [parameter.value for parameter in free]
    assert list(objective.units) == [str(parameter.unit) for parameter in free]
    assert objective.limits[0].tolist() == [1, 4]
    assert objective.limits[1].tolist() == [-np.inf, np.inf]
    assert objective.limits[3].tolist() == [-90, 90]  # gammapy limits latitudes


@pytest.mark.parametrize("shift", [0.0, 0.3, -0.5])
def test_statistic_agrees_with_gammapy(datasets, shift):
    objective = objective_of(datasets)
    x = objective.start.copy()
    x[0] += shift
    x[1] *= 1 + shift / 2
    x[4] *= 1 - shift / 10
    stat = objective(x)
    for parameter, value in zip(datasets.models.parameters.free_parameters, x, strict=True):
        parameter.value = value
    # npred is float32 in gammapy; the PSF kernel is the same, since the source has not moved
    assert stat == pytest.approx(datasets.stat_sum(), abs=1e-3)


def test_source_can_leave_the_map_and_return(datasets, simulated_dataset):
    objective = objective_of(datasets)
    x = objective.start.copy()
    x_outside = x.copy()
    x_outside[2] += 5
    stat, stat_outside = objective(x), objective(x_outside)
    datasets.models["crab"].spatial_model.lon_0.value = x_outside[2]
    background_only = Datasets([simulated_dataset.copy(name="sim")])
    background_only.models = Models([datasets.models["sim-bkg"].copy(name="sim-bkg")])
    # npred is float32 in gammapy
    assert stat_outside == pytest.approx(background_only.stat_sum(), abs=1e-3)
    # the PSF kernel is computed again
    assert objective(x) == pytest.approx(stat, abs=0.04)


def test_priors_are_added_once(datasets):
    index_of(datasets).prior = GaussianPrior(mu=2.0, sigma=0.1)
    objective = objective_of(datasets)
    x = objective.start.copy()
    x[0] = 2.3
    total = objective.total(x)
    index_of(datasets).value = 2.3
    expected = -2 * norm.logpdf(2.3, 2.0, 0.1)
    assert objective.prior_stat(x) == pytest.approx(expected, rel=1e-9)
    assert total == pytest.approx(objective(x) + expected, rel=1e-12)
    assert total == pytest.approx(datasets.stat_sum(), abs=1e-3)


def test_priors_of_several_datasets_are_added_once(simulated_dataset, true_models):
    datasets = Datasets([simulated_dataset.copy(name=name) for name in ("sim", "other")])
    datasets.models = true_models.copy()
    index_of(datasets).prior = GaussianPrior(mu=2.0, sigma=0.1)
    objective = objective_of(datasets)
    x = objective.start.copy()
    expected = -2 * norm.logpdf(x[0], 2.0, 0.1)
    assert objective.prior_stat(x) == pytest.approx(expected, rel=1e-9)
    # float32 in gammapy
    assert objective.total(x) == pytest.approx(datasets.stat_sum(), abs=1e-3)


def test_linked_parameters_are_one_parameter(datasets):
    models = datasets.models
    second = models["crab"].copy(name="second")
    second.spectral_model.index = models["crab"].spectral_model.index
    datasets.models = Models([*models, second])
    objective = objective_of(datasets)
    assert objective.names.count("crab.spectral.index") == 1
    assert "second.spectral.index" not in objective.names
    assert "second.spectral.amplitude" in objective.names


def test_frozen_parameters_are_not_changed(datasets):
    models = datasets.models
    models["crab"].spatial_model.freeze()
    objective = objective_of(datasets)
    assert objective.names == (*NAMES[:2], NAMES[4])
    lon = models["crab"].spatial_model.lon_0.value
    objective(objective.start * 1.01)
    assert datasets.models["crab"].spatial_model.lon_0.value == lon


@pytest.fixture(scope="module")
def fit(simulated_dataset, true_models):
    datasets = Datasets([simulated_dataset.copy(name="sim")])
    datasets.models = true_models.copy()
    objective = objective_of(datasets)
    result = Minuit().fit(objective)
    objective(result.values * 1.1)  # the last evaluation of a fitter may not be at the minimum
    objective.accept(result)
    return datasets, result


@pytest.fixture(scope="module")
def plain_fit(simulated_dataset, true_models):
    """Return the values and the statistic of gammapy's best fit."""
    datasets = Datasets([simulated_dataset.copy(name="sim")])
    datasets.models = true_models.copy()
    stat = Fit().run(datasets).total_stat
    return datasets.models.parameters.free_parameters.value, stat


class TestAccept:
    def test_values_errors_and_covariance_are_in_the_models(self, fit):
        datasets, result = fit
        # `Datasets.models` is created at each access, so errors must be kept by the models
        for _ in range(2):
            free = datasets.models.parameters.free_parameters
            assert [parameter.value for parameter in free] == result.values.tolist()
            # gammapy stores errors as square roots of the covariance
            errors = [parameter.error for parameter in free]
            np.testing.assert_allclose(errors, result.errors, rtol=1e-12)
            covariance = datasets.models.covariance.data
            is_free = np.array([not parameter.frozen for parameter in datasets.models.parameters])
            np.testing.assert_allclose(
                covariance[np.ix_(is_free, is_free)], result.covariance, rtol=1e-12
            )
            assert not covariance[~is_free].any()

    def test_errors_are_kept_if_copies_are_assigned_to_other_datasets(self, fit, simulated_dataset):
        datasets, result = fit
        other_datasets = Datasets([simulated_dataset.copy(name="sim")])
        other_datasets.models = datasets.models.copy()
        free = other_datasets.models.parameters.free_parameters
        errors = [parameter.error for parameter in free]
        np.testing.assert_allclose(errors, result.errors, rtol=1e-12)

    def test_statistic_agrees_with_the_result(self, fit):
        datasets, result = fit
        # the PSF kernel may have been computed again
        assert datasets.stat_sum() == pytest.approx(result.stat, abs=0.04)

    def test_fit_recovers_the_true_parameters(self, fit, true_models):
        _, result = fit
        expected = true_models.parameters.free_parameters.value
        pulls = (result.values - expected) / result.errors
        # five normal deviates: the chance that one exceeds 4 sigma is 1 in 3000
        assert np.all(np.abs(pulls) < 4), pulls
        assert result.success

    def test_fit_is_as_good_as_with_gammapy(self, fit, simulated_dataset, plain_fit):
        datasets, result = fit
        values, stat = plain_fit
        plain_datasets = Datasets([simulated_dataset.copy(name="sim")])
        plain_datasets.models = datasets.models.copy()
        pulls = np.abs(result.values - values) / result.errors
        assert np.all(pulls < 0.01) or plain_datasets.stat_sum() < stat


@pytest.mark.slow
def test_errors_agree_with_an_explicit_hesse_to_1_percent(fit, simulated_dataset):
    datasets, result = fit
    expected = plain_gammapy.hesse_errors(simulated_dataset.copy(name="sim"), datasets.models)
    np.testing.assert_allclose(result.errors, expected, rtol=0.01)


def test_linked_parameters_share_their_error(simulated_dataset, true_models):
    datasets = Datasets([simulated_dataset.copy(name="sim")])
    models = true_models.copy()
    models["crab"].spatial_model.freeze()
    second = models["crab"].copy(name="second")
    second.spectral_model.index = models["crab"].spectral_model.index
    second.spectral_model.amplitude.frozen = True
    datasets.models = Models([*models, second])
    objective = objective_of(datasets)
    result = Minuit().fit(objective)
    objective.accept(result)
    for name in ("crab", "second"):
        index = datasets.models[name].spectral_model.index
        assert index.value == result.values[0]
        assert index.error == pytest.approx(result.errors[0], rel=1e-12)


class TestErrors:
    def test_missing_models_are_reported(self, simulated_dataset):
        with pytest.raises(FitError, match="have no models"):
            objective_of(Datasets([simulated_dataset.copy(name="sim")]))

    def test_missing_free_parameters_are_reported(self, datasets):
        datasets.models.freeze()
        with pytest.raises(FitError, match="No free parameters"):
            objective_of(datasets)

    def test_start_that_is_not_finite_is_reported(self, datasets):
        index_of(datasets).value = np.nan
        with pytest.raises(FitError, match=r"crab\.spectral\.index starts at nan"):
            objective_of(datasets)

    def test_transform_without_priors_and_limits_is_rejected(self, datasets):
        objective = objective_of(datasets)
        with pytest.raises(FitError, match=r"without a prior or two limits.*crab\.spectral\.index"):
            objective.transform(np.full(len(objective.names), 0.5))

    def test_transform_returns_quantiles_of_priors_and_limits(self, datasets):
        models = datasets.models
        for parameter in models.parameters.free_parameters:
            parameter.min, parameter.max = parameter.value * 0.5, parameter.value * 1.5
        models["crab"].spectral_model.index.prior = GaussianPrior(mu=2.0, sigma=0.1)
        objective = objective_of(datasets)
        median = objective.transform(np.full(len(objective.names), 0.5))
        assert median[0] == pytest.approx(2.0)
        np.testing.assert_allclose(median[1:], objective.start[1:])
        # one sigma above the median
        assert objective.transform(np.full(5, 0.8413447))[0] == pytest.approx(2.1, abs=1e-6)
