"""Norm models fitted to counts by energy: properties of the minimum, and data without a minimum."""

import astropy.units as u
import numpy as np
import pytest
from gammapy.modeling.models import Model
from hypothesis import given, strategies as st

from skyred.components.makers.norm_fit import EnergySums, NoMinimumError, fit_norm

ENERGY = np.geomspace(0.3, 80, 6) * u.TeV
SHAPES = {
    "pl-norm": {"tilt": 0.4},
    "lp-norm": {"alpha": -0.3, "beta": 0.1},
    "ecpl-norm": {"index": 0.2, "lambda_": "0.03 TeV-1"},
}
backgrounds = st.lists(st.floats(0.1, 1e5), min_size=6, max_size=6).map(np.array)
counts = st.lists(st.integers(1, 10**5), min_size=6, max_size=6).map(np.array)
tags = st.sampled_from(sorted(SHAPES))


def fit_model(tag: str, sums: EnergySums, names: list[str]) -> Model:
    model = Model.create(tag, model_type="spectral")
    fit_norm(model, sums, [model.parameters[name] for name in names])
    return model


@given(tags, backgrounds, st.floats(0.1, 10))
def test_parameters_that_predict_the_counts_exactly_are_recovered(tag, background, norm):
    true_model = Model.create(tag, model_type="spectral", norm=norm, **SHAPES[tag])
    counts = background * true_model(ENERGY).value
    model = fit_model(tag, EnergySums(ENERGY, counts, background), list(SHAPES[tag]))
    np.testing.assert_allclose(model.parameters.value, true_model.parameters.value, rtol=1e-7)


@pytest.mark.parametrize("tag", sorted(SHAPES))
def test_errors_agree_with_the_curvature_of_the_statistic(tag):
    counts, background = np.arange(60.0, 0.0, -10.0), np.full(6, 40.0)
    model = fit_model(tag, EnergySums(ENERGY, counts, background), list(SHAPES[tag]))
    free = [model.norm, *(model.parameters[name] for name in SHAPES[tag])]
    best, sigma = (np.array([getattr(p, name) for p in free]) for name in ("value", "error"))

    def log_likelihood(shifts: np.ndarray) -> float:
        for parameter, value in zip(free, best + shifts, strict=True):
            parameter.value = value
        predicted = background * model(ENERGY).value
        return float(counts @ np.log(predicted) - predicted.sum())

    # central differences, with steps much smaller than the errors of degenerate parameters
    steps = np.diag(1e-3 * sigma)
    differences = [[sum(s * t * log_likelihood(s * a + t * b) for s in (1, -1) for t in (1, -1))
              for b in steps] for a in steps]  # fmt: skip
    information = -np.array(differences) / 4 / np.outer(*2 * [1e-3 * sigma])
    np.testing.assert_allclose(sigma, np.sqrt(np.diag(np.linalg.inv(information))), rtol=1e-3)


@given(counts, backgrounds)
def test_score_equations_of_norm_and_tilt_hold_at_the_minimum(counts, background):
    # the statistic is convex, so the equations hold only at the minimum
    model = fit_model("pl-norm", EnergySums(ENERGY, counts, background), ["tilt"])
    predicted = background * model(ENERGY).value
    weights = np.log(ENERGY.value)
    assert predicted.sum() == pytest.approx(counts.sum(), rel=1e-9)
    scale = np.abs(weights) @ counts
    assert weights @ predicted == pytest.approx(weights @ counts, abs=1e-9 * scale)


@given(tags, counts, backgrounds)
def test_norm_without_other_parameters_is_counts_over_prediction(tag, counts, background):
    prediction = background * Model.create(tag, model_type="spectral")(ENERGY).value
    norm = fit_model(tag, EnergySums(ENERGY, counts, background), []).norm
    assert norm.value == pytest.approx(counts.sum() / prediction.sum(), rel=1e-12)
    assert norm.error == pytest.approx(norm.value / np.sqrt(counts.sum()), rel=1e-9)


@pytest.mark.parametrize("index", [0, 5], ids=["lowest", "highest"])
def test_counts_in_one_bin_do_not_constrain_a_tilt(index):
    counts = np.zeros(6)
    counts[index] = 30
    with pytest.raises(NoMinimumError, match="the fit of norm and tilt diverges: too few counts"):
        fit_model("pl-norm", EnergySums(ENERGY, counts, np.full(6, 5.0)), ["tilt"])


def test_two_bins_do_not_constrain_three_parameters():
    sums = EnergySums(ENERGY, np.full(6, 7.0), np.array([3.0, 2.0, 0, 0, 0, 0]))
    with pytest.raises(NoMinimumError, match="2 energy bins do not constrain norm and alpha and b"):
        fit_model("lp-norm", sums, ["alpha", "beta"])


def test_bin_without_background_is_ignored():
    counts, background = np.arange(4.0, 10.0), np.arange(9.0, 3.0, -1.0)
    expected = fit_model("pl-norm", EnergySums(ENERGY[:5], counts[:5], background[:5]), ["tilt"])
    background[5] = 0
    model = fit_model("pl-norm", EnergySums(ENERGY, counts, background), ["tilt"])
    np.testing.assert_allclose(model.parameters.value, expected.parameters.value, rtol=1e-12)


@pytest.mark.parametrize("names", [[], ["tilt"]])
def test_nan_counts_are_rejected(names):
    counts = np.array([np.nan, 3, 2, 1, 1, 1])
    with pytest.raises(NoMinimumError):
        fit_model("pl-norm", EnergySums(ENERGY, counts, np.ones(6)), names)
