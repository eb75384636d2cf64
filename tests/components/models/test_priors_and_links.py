"""Priors and links from a configuration, and fits with them, against plain gammapy."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    CompoundSpectralModel,
    GaussianPrior,
    GeneralizedGaussianPrior,
    LogUniformPrior,
    UniformPrior,
)
from hypothesis import given, strategies as st

import plain_gammapy
import skyred
from component_checks import problems_of
from skyred import Pipeline
from skyred.components.gammapy import BackgroundModels, Source
from skyred.errors import ConfigError, ModelError
from skyred.likelihood import objective_of
from skyred.run.build_models import build_models
from small_datasets import spectrum_dataset

POWER_LAW = {"type": "pl", "index": 2.3, "amplitude": "4e-11 cm-2 s-1 TeV-1", "reference": "1 TeV"}


def source_with_prior(name: str, prior: object, value: object) -> Source:
    return Source(name="crab", spectral={**POWER_LAW, name: {"value": value, "prior": prior}})


def build_parameter(source: Source, name: str):
    assert problems_of(source) == []
    (model,) = source.build(Datasets())
    return model.parameters[name]


class TestPriors:
    @pytest.mark.parametrize(
        ("prior_spec", "expected"),
        [
            ({"type": "gaussian", "mu": 2.5, "sigma": 0.1}, GaussianPrior(mu=2.5, sigma=0.1)),
            ({"type": "uniform", "min": 1, "max": 4}, UniformPrior(min=1, max=4)),
            ({"type": "log-uniform", "min": 0.5, "max": 5}, LogUniformPrior(min=0.5, max=5)),
            ({"type": "generalized-gaussian", "mu": 2, "sigma": 1},
             GeneralizedGaussianPrior(mu=2, sigma=1, eta=0.5)),
            ({"type": "GaussianPrior", "parameters": [{"name": "mu", "value": 2},
                                                      {"name": "sigma", "value": 0.3}],
              "weight": 2}, GaussianPrior(mu=2, sigma=0.3, weight=2)),
        ],
        ids=["gaussian", "uniform", "log-uniform", "generalized", "gammapy format"],
    )  # fmt: skip
    def test_agrees_with_gammapy(self, prior_spec, expected):
        index = build_parameter(source_with_prior("index", prior_spec, 2.2), "index")
        assert type(index.prior) is type(expected)
        for value in (1.5, 2.2, 3.1):
            index.value = value
            assert index.prior(index) == expected(index)

    def test_quantities_are_converted_to_the_unit_of_the_parameter(self):
        prior = {"type": "gaussian", "mu": "4e-7 m-2 s-1 TeV-1", "sigma": "1e-12 cm-2 s-1 TeV-1"}
        amplitude = build_parameter(
            source_with_prior("amplitude", prior, "4e-11 cm-2 s-1 TeV-1"), "amplitude"
        )
        assert amplitude.prior.mu.value == pytest.approx(4e-11)
        assert amplitude.prior.sigma.value == pytest.approx(1e-12)
        # -2 log of the probability density at the mean
        expected = -2 * np.log(1 / (np.sqrt(2 * np.pi) * 1e-12))
        assert amplitude.prior_stat_sum() == pytest.approx(expected)

    @given(st.floats(0.5, 5), st.floats(0.01, 2), st.sampled_from(["", "TeV-1", "GeV-1"]))
    def test_prior_does_not_depend_on_the_unit(self, mu, sigma, unit):
        prior_spec = {
            name: f"{(number / u.TeV).to_value(unit or '1/TeV').item()!r} {unit}"
            for name, number in {"mu": mu, "sigma": sigma}.items()
        }
        entry = {"value": "0.1 TeV-1", "prior": {"type": "gaussian", **prior_spec}}
        spectral = {"type": "ecpl", "lambda_": entry}
        lambda_ = build_parameter(Source(name="x", spectral=spectral), "lambda_")
        assert lambda_.prior.mu.value == pytest.approx(mu)
        assert lambda_.prior.sigma.value == pytest.approx(sigma)

    @pytest.mark.parametrize(
        ("prior", "message"),
        [
            ({"type": "gausian", "mu": 2, "sigma": 1}, r"index\.prior\.type.*mean 'gaussian'"),
            ({"type": "gaussian", "mean": 2, "sigma": 1}, r"index\.prior\.mean: unknown key"),
            ({"type": "gaussian", "mu": 2}, r"index\.prior: missing key 'sigma'"),
            ({"type": "gaussian", "mu": "2 TeV", "sigma": 1}, r"prior\.mu: '2 TeV' is in TeV"),
            ({"type": "gaussian", "mu": 2, "sigma": 0}, r"prior\.sigma: invalid value 0; expected"),
            ({"type": "gaussian", "mu": "two", "sigma": 1}, "is not a quantity"),
            (
                {"type": "gaussian", "mu": [1, 2], "sigma": 1},
                r"prior\.mu: \[1, 2\] is not a single number; expected a number without a unit",
            ),
            ({"type": "gaussian", "mu": 2, "sigma": []}, r"prior\.sigma: \[\] is not a single"),
            (
                {"type": "gaussian", "mu": 2, "sigma": 1, "weight": [1]},
                r"prior\.weight: \[1\] is not a single number",
            ),
            ({"type": "uniform", "min": 3, "max": 1}, r"prior\.min: is not below max"),
            ({"type": "uniform", "min": 3, "max": 4}, "excludes the starting value 2.2"),
            ({"type": "log-uniform", "min": -1, "max": 4}, "expected more than 0"),
            ({"mu": 2, "sigma": 1}, "expected a mapping such as"),
            (2.5, "expected a mapping such as"),
        ],
        ids=["type", "key", "missing", "unit", "sigma", "text", "list", "empty list", "weight",
             "order", "start", "log", "no type", "number"],
    )  # fmt: skip
    def test_error_is_reported_with_its_path(self, prior, message):
        (problem,) = problems_of(source_with_prior("index", prior, 2.2))
        assert re.search(message, str(problem)), str(problem)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("mu", "expected a number, optionally with a unit such as 1 / (TeV s cm2)"),
            ("eta", "expected a number without a unit"),
            ("weight", "expected a number without a unit"),
        ],
    )
    def test_text_is_rejected_with_a_hint_on_the_unit(self, name, expected):
        prior = {"type": "generalized-gaussian", "mu": 4e-11, "sigma": 1e-12, name: "two"}
        source = source_with_prior("amplitude", prior, "4e-11 cm-2 s-1 TeV-1")
        (problem,) = problems_of(source)
        message = f"spectral.amplitude.prior.{name}: 'two' is not a quantity; {expected}"
        assert str(problem) == message

    @pytest.mark.slow
    def test_fit_agrees_with_gammapy(self):
        prior = {"type": "gaussian", "mu": 2.0, "sigma": 0.02}
        datasets = []
        for _ in range(2):
            dataset = spectrum_dataset("s")
            dataset.models = source_with_prior("index", prior, 2.3).build(Datasets())
            datasets.append(Datasets([dataset]))
        skyred_datasets, plain_datasets = datasets
        result = skyred.fit(skyred_datasets)
        Fit().run(plain_datasets)
        assert result.stat == pytest.approx(plain_datasets.stat_sum(), abs=2e-3)
        for parameter, expected, error in zip(
            skyred_datasets.parameters.free_parameters,
            plain_datasets.parameters.free_parameters,
            result.errors,
            strict=True,
        ):
            assert parameter.value == pytest.approx(expected.value, abs=0.01 * error), expected.name
        # the prior constrains the index better than the counts
        assert result.errors[0] == pytest.approx(0.02, rel=0.1)


def linked_source(name: str, **index: object) -> Source:
    entry = {"link": "shape", **index}
    return Source(name=name, spectral={**POWER_LAW, "index": entry}, datasets=[name])


class TestLinks:
    @pytest.mark.slow
    def test_fit_agrees_with_gammapy(self):
        def two_spectra() -> Datasets:
            return Datasets([spectrum_dataset("a", seed=2), spectrum_dataset("b", seed=5)])

        datasets = two_spectra()
        datasets.models = build_models(
            [linked_source("a", value=2.3), linked_source("b")], datasets
        )
        result = skyred.fit(datasets)
        plain_datasets = two_spectra()
        models = build_models(
            [Source(name=name, spectral=POWER_LAW, datasets=[name]) for name in "ab"],
            plain_datasets,
        )
        models["b"].spectral_model.index = models["a"].spectral_model.index
        plain_datasets.models = models
        Fit(optimize_opts={"tol": 1e-4}).run(plain_datasets)  # MIGRAD stops early by default
        assert len(result.names) == 3
        assert result.stat == pytest.approx(plain_datasets.stat_sum(), abs=2e-3)
        free = plain_datasets.models.parameters.unique_parameters.free_parameters
        expected = [parameter.value for parameter in free]
        np.testing.assert_allclose((result.values - expected) / result.errors, 0, atol=0.01)
        assert datasets.models["b"].parameters["index"].value == result.values[0]
        # the linked parameters have one error
        assert datasets.models["b"].parameters["index"].error == result.errors[0]

    def test_parameters_of_compound_models_can_be_linked(self):
        def compound_source(name: str) -> Source:
            spectral = {
                "type": "compound",
                "model1": {**POWER_LAW, "index": {"value": 2.3, "link": "shape"}},
                "model2": {"type": "pl-norm"},
                "operator": "mul",
            }
            return Source(name=name, spectral=spectral)

        models = build_models([compound_source("a"), compound_source("b")], Datasets())
        first, second = (models[name].spectral_model for name in "ab")
        assert isinstance(first, CompoundSpectralModel)
        assert first.model1.index is second.model1.index
        first.model1.index.value = 3
        assert second(10 * u.TeV) == first(10 * u.TeV)

    def test_value_limits_and_frozen_are_set_by_the_first_parameter(self):
        sources = [linked_source("a", value=2.6, frozen=True, min=1), linked_source("b")]
        index = build_models(sources, Datasets())["b"].parameters["index"]
        assert (index.value, index.frozen, index.min) == (2.6, True, 1)

    def test_background_norms_of_all_datasets_can_be_linked(self):
        from small_datasets import map_dataset

        datasets = Datasets([map_dataset("a"), map_dataset("b")])
        norm = BackgroundModels(spectral={"type": "pl-norm", "norm": {"link": "norm"}})
        models = build_models([norm], datasets)
        assert models["a-bkg"].parameters["norm"] is models["b-bkg"].parameters["norm"]

    def test_link_between_parameters_of_different_units_is_rejected(self):
        amplitude = {"value": "1e-12 cm-2 s-1 TeV-1", "link": "shape"}
        sources = [
            Source(name="a", spectral={**POWER_LAW, "amplitude": amplitude}),
            Source(name="b", spectral={**POWER_LAW, "index": {"value": 2, "link": "shape"}}),
        ]
        with pytest.raises(ModelError, match=r"'shape' joins amplitude of a .* and index of b"):
            build_models(sources, Datasets())

    @pytest.mark.parametrize(
        ("second", "message"),
        [
            ("index: {value: 2.6, link: shap}",
             r"index\.link: the link 'shap' is used only once.*did you mean 'shape'"),
            ("index: {value: 2.6, link: shape}", r"index\.value: 2.6 differs from 2.5 in crab"),
            ("index: {link: shape, frozen: true}", r"index\.frozen: is not set for crab"),
            ("amplitude: {value: 1e-12 cm-2 s-1 TeV-1, link: shape}",
             r"amplitude\.link: links amplitude with index of crab"),
        ],
        ids=["once", "value", "frozen", "name"],
    )  # fmt: skip
    def test_invalid_links_are_reported_before_data_are_read(self, second, message):
        overrides = [
            "data.hess.archive=sim:crab",
            "model.0.spectral.index={value: 2.5, link: shape}",
            f"model.1={{kind: source, name: b, spectral: {{type: pl, {second}}}}}",
        ]
        with pytest.raises(ConfigError, match=message):
            Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)

    def test_equal_values_in_different_units_can_be_linked(self):
        amplitude = "amplitude: {{value: {}, link: flux}}"
        spectra = [amplitude.format(value_text) for value_text in ("4e-11 cm-2 s-1 TeV-1",
                                                       "4e-7 m-2 s-1 TeV-1")]  # fmt: skip
        overrides = [
            "data.hess.archive=sim:crab",
            f"model.0.spectral={{type: pl, {spectra[0]}}}",
            f"model.1={{kind: source, name: b, spectral: {{type: pl, {spectra[1]}}}}}",
        ]
        pipeline = Pipeline.from_yaml(plain_gammapy.EXAMPLE, overrides=overrides)
        first, second = (model.spectral["amplitude"]["value"] for model in pipeline.model[:2])
        assert u.Quantity(first) == u.Quantity(second)

    def test_priors_of_linked_parameters_are_added_once_to_the_statistic(self):
        prior = {"type": "gaussian", "mu": 2.0, "sigma": 0.1}
        dataset = spectrum_dataset("a")
        datasets = Datasets([dataset])
        index = {"value": 2.3, "link": "i"}
        sources = [
            Source(name="x", spectral={**POWER_LAW, "index": {**index, "prior": prior}}),
            Source(name="y", spectral={**POWER_LAW, "index": index}),
        ]
        datasets.models = build_models(sources, datasets)
        objective = objective_of(datasets)
        assert objective.total(objective.start) == pytest.approx(datasets.stat_sum(), abs=1e-3)
