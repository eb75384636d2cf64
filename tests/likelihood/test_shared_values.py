"""Parameters that share a value without being linked are fitted like linked parameters.

gammapy's `NestedModelSelection` creates such parameters with a common ``__dict__``. gammapy's fit
treats them as two parameters, so the expected values are those of gammapy for linked parameters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    GaussianPrior,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.modeling.selection import NestedModelSelection
from gammapy.stats.fit_statistics import GaussianPriorPenalty

import flux_points_comparison as comparison
import skyred
import small_datasets as small
from skyred.components.estimators.parameters import copy_datasets, select_parameters
from skyred.errors import FitError
from skyred.likelihood import objective_of
from skyred.likelihood.minimise import minimise

EDGES = [1, 10] * u.TeV
JoinModels = Callable[[SkyModel, SkyModel], None]


def share_value(first: SkyModel, second: SkyModel) -> None:
    second.spectral_model.index.__dict__ = first.spectral_model.index.__dict__


def link(first: SkyModel, second: SkyModel) -> None:
    second.spectral_model.index = first.spectral_model.index


def two_sources(join_models: JoinModels | None = None) -> Datasets:
    """Return two spectra of different sources, whose indices can be joined."""
    names = ("one", "two")
    datasets = Datasets([small.spectrum_on_off(name, seed=seed) for seed, name in enumerate(names)])
    models = [
        SkyModel(
            spectral_model=PowerLawSpectralModel(index=index, amplitude="4e-11 cm-2 s-1 TeV-1"),
            name=f"source-{name}",
            datasets_names=[name],
        )
        for name, index in zip(names, (2.4, 2.8), strict=True)
    ]
    if join_models:
        join_models(*models)
    datasets.models = models
    return datasets


def test_shared_value_is_fitted_like_a_link() -> None:
    shared, linked = two_sources(share_value), two_sources(link)
    actual, expected = skyred.fit(shared, minos=True), skyred.fit(linked, minos=True)
    assert actual.success
    assert actual.names == expected.names
    assert len(actual.names) == 3
    for name in ("values", "errors", "covariance", "errn", "errp", "stat"):
        assert np.array_equal(getattr(actual, name), getattr(expected, name)), name
    assert actual.stat == pytest.approx(shared.stat_sum(), rel=1e-8)
    indices = [model.spectral_model.index for model in shared.models]
    assert {parameter.value for parameter in indices} == {
        actual.values[actual.names.index(expected.names[0])]
    }
    assert {parameter.error for parameter in indices} == {
        actual.errors[actual.names.index(expected.names[0])]
    }
    np.testing.assert_allclose(
        shared.models.covariance.data, linked.models.covariance.data, rtol=1e-12
    )


@pytest.mark.slow
def test_fit_of_a_shared_value_agrees_with_gammapy_with_a_link() -> None:
    actual, expected = skyred.fit(two_sources(share_value)), two_sources(link)
    assert Fit(optimize_opts={"tol": 1e-4}).run(expected).success
    values = [parameter.value for parameter in expected.models.parameters.free_unique_parameters]
    assert actual.values == pytest.approx(values, abs=0.01 * actual.errors.min(), rel=1e-3)
    assert actual.stat == pytest.approx(expected.stat_sum(), abs=1e-3)


def test_shared_frozen_value_is_not_changed() -> None:
    datasets = two_sources(share_value)
    datasets.models[0].spectral_model.index.frozen = True
    result = skyred.fit(datasets)
    assert [name.split(".")[-1] for name in result.names] == ["amplitude", "amplitude"]
    assert [model.spectral_model.index.value for model in datasets.models] == [2.4, 2.4]


def test_gradient_of_a_shared_value_is_correct() -> None:
    objective = objective_of(two_sources(share_value))
    step = 1e-4 * np.eye(3)[0]
    difference = objective.stat(objective.start + step) - objective.stat(objective.start - step)
    assert objective.gradient_of(objective.start)[0] == pytest.approx(difference / 2e-4, rel=1e-4)


@pytest.mark.slow
def test_null_hypothesis_of_nested_models_is_fitted() -> None:
    datasets, unlinked, linked = two_sources(), two_sources(), two_sources(link)
    first, second = (model.spectral_model.index for model in datasets.models)
    free = skyred.fit(datasets)
    NestedModelSelection([first], [second])._apply_null_hypothesis(datasets)
    null = skyred.fit(datasets)
    for nested_models in (linked, unlinked):
        assert Fit(optimize_opts={"tol": 1e-4}).run(nested_models).success
    expected = linked.stat_sum() - unlinked.stat_sum()
    assert null.stat - free.stat == pytest.approx(expected, abs=2e-3)


def test_values_can_be_shared_within_one_model() -> None:
    datasets = Datasets([small.spectrum_on_off()])
    first = PowerLawSpectralModel(index=2.3, amplitude="4e-12 cm-2 s-1 TeV-1")
    second = PowerLawSpectralModel(index=2.9, amplitude="2e-12 cm-2 s-1 TeV-1")
    second.amplitude.frozen = True
    second.index.__dict__ = first.index.__dict__
    datasets.models = [SkyModel(spectral_model=first + second, name="crab")]
    actual = skyred.fit(datasets)
    assert actual.stat == pytest.approx(datasets.stat_sum(), rel=1e-8)
    power_law = PowerLawSpectralModel(index=2.3, amplitude="4e-12 cm-2 s-1 TeV-1")
    datasets.models = [SkyModel(spectral_model=power_law, name="crab")]
    expected = skyred.fit(datasets)
    assert actual.values + np.array([0, 2e-12]) == pytest.approx(expected.values, rel=1e-4)
    assert actual.errors == pytest.approx(expected.errors, rel=1e-3)
    assert actual.stat == pytest.approx(expected.stat, abs=1e-3)


def test_priors_and_penalties_of_a_shared_value_agree_with_a_link() -> None:
    def sources_with_prior(join_models: JoinModels) -> Datasets:
        datasets = two_sources(join_models)
        index = datasets.models[1].spectral_model.index
        index.prior = GaussianPrior(mu=2.2, sigma=0.1)
        models = Models(datasets.models)
        models.set_penalties(GaussianPriorPenalty([index], [2.0], [[0.01]]))
        datasets.models = models
        return datasets

    shared = sources_with_prior(share_value)
    actual, expected = skyred.fit(shared), skyred.fit(sources_with_prior(link))
    assert np.array_equal(actual.values, expected.values)
    assert np.array_equal(actual.errors, expected.errors)
    assert actual.stat == pytest.approx(shared.stat_sum(), rel=1e-8)


def three_sources(join_models: JoinModels) -> Datasets:
    """Return two spectra with a common source, and two weak sources with joined amplitudes."""
    datasets = Datasets([small.spectrum_on_off("one"), small.spectrum_on_off("two", seed=5)])
    crab = PowerLawSpectralModel(index=2.6, amplitude="4e-11 cm-2 s-1 TeV-1")
    models = [SkyModel(spectral_model=crab, name="crab")]
    for name in ("one", "two"):
        weak = PowerLawSpectralModel(index=2.6, amplitude="5e-12 cm-2 s-1 TeV-1")
        weak.index.frozen = True
        weak.amplitude.prior = GaussianPrior(mu=6e-12, sigma=3e-12)
        models.append(SkyModel(spectral_model=weak, name=f"weak-{name}", datasets_names=[name]))
    first, second = (model.spectral_model for model in models[1:])
    if join_models is share_value:
        second.amplitude.__dict__ = first.amplitude.__dict__
    else:
        second.amplitude = first.amplitude
    datasets.models = models
    return datasets


@pytest.mark.slow
def test_flux_points_agree_with_a_link() -> None:
    shared, options = three_sources(share_value), {"reoptimize": True}
    actual = skyred.flux_points(shared, "crab", EDGES, **options)
    linked = skyred.flux_points(three_sources(link), "crab", EDGES, **options)
    comparison.assert_same_points(actual, linked)
    first, second = (shared.models[name].spectral_model for name in ("weak-one", "weak-two"))
    assert first.amplitude.__dict__ is second.amplitude.__dict__
    expected = comparison.flux_points_by_gammapy(three_sources(link), "crab", EDGES, **options)
    comparison.assert_same_points(actual, expected)


def test_shared_values_raise_if_gammapy_estimates_the_flux_points() -> None:
    options = {"reoptimize": True, "norm": {"prior": GaussianPrior(mu=1, sigma=0.1)}}
    with pytest.raises(FitError, match=r"weak-one.*, weak-two.* share values without being linked"):
        skyred.flux_points(three_sources(share_value), "crab", EDGES, **options)


def test_reoptimize_without_other_free_parameters_raises() -> None:
    datasets = two_sources(share_value)
    datasets.models[1].spectral_model.amplitude.frozen = True
    with pytest.raises(FitError, match="No free parameters for fitting"):
        skyred.flux_points(datasets, "source-one", EDGES, reoptimize=True)


def test_shared_parameter_has_a_name_in_each_model() -> None:
    datasets = two_sources(share_value)
    objective = objective_of(datasets)
    for name in ("source-one.index", "source-two.index"):
        assert select_parameters([name], datasets, objective) == [0]


def test_copies_for_estimators_share_values() -> None:
    datasets = two_sources(share_value)
    copies = copy_datasets(datasets)
    expected = minimise(objective_of(datasets))
    assert np.array_equal(minimise(objective_of(copies)).values, expected.values)
    copies.models[0].spectral_model.index.value = 3.0
    assert [model.spectral_model.index.value for model in copies.models] == [3.0, 3.0]
    assert datasets.models[0].spectral_model.index.value == 2.4
