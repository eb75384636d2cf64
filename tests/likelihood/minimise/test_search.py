"""`minimise` on objectives with known minima: values, covariance and messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from objectives import add_noise, minimum_within_limits, poisson, quadratic, rosenbrock
from skyred.likelihood.minimise import minimise

COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
MINIMUM = np.array([1.0, -2.0, 30.0])
ERRORS = np.sqrt(np.diag(COVARIANCE))
NO_DERIVATIVES = {"gradient_of": None, "fisher_of": None}
ONLY_GRADIENT = {"fisher_of": None}
DERIVATIVES = pytest.mark.parametrize(
    "overrides",
    [pytest.param({}, id="both"), pytest.param(ONLY_GRADIENT, id="gradient"),
     pytest.param(NO_DERIVATIVES, id="none")],
)  # fmt: skip


@DERIVATIVES
def test_covariance_of_a_parabola_is_recovered(overrides: dict[str, Any]) -> None:
    result = minimise(quadratic(COVARIANCE, MINIMUM, **overrides))
    assert result.success, result.message
    assert result.message == ""
    # the search ends at a distance of 2e-5 in the statistic: 0.0045 sigma
    assert np.abs(result.values - MINIMUM).max() < 0.0045
    assert result.covariance == pytest.approx(COVARIANCE, abs=1e-3)
    assert result.errors == pytest.approx(ERRORS, rel=1e-3)
    assert 0 <= result.stat < 2e-5
    assert 0 <= result.edm < 2e-5
    assert result.nfev > 0
    assert result.at_limit == ()


@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 4),
    exponents=st.lists(st.floats(-12, 12), min_size=4, max_size=4),
)
def test_parabolas_of_any_scale_are_fitted(seed: int, size: int, exponents: list[float]) -> None:
    random = np.random.default_rng(seed)
    root = random.normal(size=(size, size)) + 2 * np.eye(size)
    scale = 10 ** np.array(exponents[:size])
    covariance = (root @ root.T + 0.1 * np.eye(size)) * np.outer(scale, scale)
    minimum = random.uniform(-10, 10, size) * scale
    result = minimise(quadratic(covariance, minimum))
    assert result.success, result.message
    errors = np.sqrt(np.diag(covariance))
    assert np.abs((result.values - minimum) / errors).max() < 1e-6
    ratio = result.covariance / np.outer(errors, errors)
    assert ratio == pytest.approx(covariance / np.outer(errors, errors), abs=1e-6)


@given(
    seed=st.integers(0, 10**6),
    exponents=st.lists(st.floats(-12, 12), min_size=3, max_size=3),
    edges=st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=3, max_size=3),
)
def test_limits_of_any_scale_are_respected_and_reported(
    seed: int, exponents: list[float], edges: list[tuple[float, float]]
) -> None:
    random, scale = np.random.default_rng(seed), 10 ** np.array(exponents)
    minimum = random.uniform(-10, 10, 3) * scale
    covariance = COVARIANCE * np.outer(scale, scale)
    # the limits are at least half a sigma apart
    low, width = np.min(edges, axis=1), np.abs(np.diff(edges, axis=1)[:, 0]) + 0.5
    errors = np.sqrt(np.diag(covariance))
    limits = np.array([minimum + low * errors, minimum + (low + width) * errors]).T
    expected, at_limit = minimum_within_limits(covariance, minimum, limits)
    objective = quadratic(covariance, minimum, limits=limits)
    # exclude parameters close to a limit, or at a limit with a small slope: whether they are
    # reported depends on the tolerance
    margin = np.min(np.abs(limits - expected[:, None]), axis=1) / errors
    assume(np.all(margin[~at_limit] > 0.05))
    assume(np.all(np.abs(objective.gradient(expected) * errors)[at_limit] > 0.05))
    result = minimise(objective)
    assert result.success, result.message
    # the search ends at a distance of 2e-5 in the statistic: 0.0045 sigma
    assert np.abs((result.values - expected) / errors).max() < 0.0045
    assert {f"p{index}" for index in np.flatnonzero(at_limit)} <= set(result.at_limit)
    inverse = np.linalg.inv(COVARIANCE)[np.ix_(~at_limit, ~at_limit)]
    free = np.ix_(~at_limit, ~at_limit)
    scaled = result.covariance[free] / np.outer(scale, scale)[free]
    assert scaled == pytest.approx(np.linalg.inv(inverse), abs=1e-6)


@DERIVATIVES
@pytest.mark.parametrize(("low", "high"), [(2.0, np.inf), (2.0, 5.0), (-np.inf, 0.5)])
def test_fit_ends_at_the_limit_if_the_minimum_is_outside(
    overrides: dict, low: float, high: float
) -> None:
    limits = [[low, high], [-np.inf, np.inf], [-np.inf, np.inf]]
    start = [min(max(0.7, low), high), 0.5, 29]
    result = minimise(quadratic(COVARIANCE, MINIMUM, limits=limits, start=start, **overrides))
    expected, _ = minimum_within_limits(COVARIANCE, MINIMUM, limits)
    assert low <= result.values[0] <= high
    # Minuit's internal parameter has no slope at a limit, so that the accuracy is lower
    assert result.values == pytest.approx(expected, abs=0.005)
    assert "p0" in result.at_limit
    assert "p1" not in result.at_limit


def test_priors_are_part_of_the_minimised_statistic() -> None:
    without_prior = quadratic(np.eye(1), [1.0])
    objective = quadratic(
        np.eye(1),
        [1.0],
        prior=lambda x: float((x[0] - 3) ** 2),
        gradient_of=lambda x: without_prior.gradient(x) + 2 * (x - 3),
        fisher_of=lambda x: 4 * np.eye(1),
    )
    result = minimise(objective)
    assert result.values == pytest.approx([2], abs=1e-6)
    assert result.errors == pytest.approx([np.sqrt(0.5)], rel=1e-6)
    assert result.stat == pytest.approx(2)


@DERIVATIVES
def test_poisson_sources_on_background_are_fitted(overrides: dict[str, Any]) -> None:
    # each source contributes to one bin: it has the value (n - b) / s and the variance n / s^2
    signal, background = np.diag([2.0, 5.0, 1.0]), np.array([10.0, 4.0, 2.0])
    counts = np.array([50.0, 29.0, 14.0])
    objective = poisson(counts, signal, background, limits=[[0, np.inf]] * 3, **overrides)
    result = minimise(objective)
    assert result.success, result.message
    errors = np.sqrt(counts) / np.diag(signal)
    assert np.abs(result.values - [20, 5, 12]).max() < 0.0045 * errors.max()
    # the fourth derivative contributes to the differences over finite steps in HESSE
    assert result.errors == pytest.approx(errors, rel=2e-3)


@DERIVATIVES
@pytest.mark.parametrize("stretch", [1.0, 100.0, 1e4])
def test_minimum_of_a_curved_valley_is_reached(overrides: dict[str, Any], stretch: float) -> None:
    result = minimise(rosenbrock(stretch, **overrides), tolerance=1e-3)
    assert result.success, result.message
    hessian = np.array([[8 * stretch + 2, -4 * stretch], [-4 * stretch, 2 * stretch]])
    expected = 2 * np.linalg.inv(hessian)
    assert np.abs(result.values - 1).max() < 0.005 * np.sqrt(np.max(expected))
    # HESSE's shortest steps, 1e-3, are too long for narrower valleys
    if stretch <= 100:
        assert result.covariance == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("seed", range(4))
@DERIVATIVES
def test_noise_of_float32_does_not_change_results(overrides: dict, seed: int) -> None:
    exact = quadratic(COVARIANCE, MINIMUM)
    start = MINIMUM + np.random.default_rng(seed).uniform(-3, 3, 3) * ERRORS
    objective = quadratic(
        COVARIANCE, MINIMUM, stat=add_noise(exact.stat, 1e-5), start=start, **overrides
    )
    result = minimise(objective)
    # without derivatives, noise can make Minuit's differences invalid, so that the fit must fail
    assert result.success or overrides
    if result.success:
        assert np.abs((result.values - MINIMUM) / ERRORS).max() < 0.02
        assert result.errors == pytest.approx(ERRORS, rel=0.02)


@pytest.mark.parametrize("factor", [0.2, 3.0, 100.0, 1e4])
def test_wrong_fisher_matrix_does_not_reduce_the_accuracy(factor: float) -> None:
    objective = quadratic(COVARIANCE, MINIMUM)
    result = minimise(
        quadratic(COVARIANCE, MINIMUM, fisher_of=lambda x: factor * objective.fisher(x))
    )
    assert result.success, result.message
    assert result.edm < 2e-5
    assert np.abs((result.values - MINIMUM) / ERRORS).max() < 0.0045
    assert result.covariance == pytest.approx(COVARIANCE, abs=1e-3)


def test_search_continues_with_second_derivatives() -> None:
    exact = quadratic(COVARIANCE, MINIMUM)
    # with the wrong Fisher matrix, the estimated distance to the minimum is 1e5 times too small:
    # below the tolerance
    start = MINIMUM + np.array([0.2, 0, 0])
    result = minimise(
        quadratic(COVARIANCE, MINIMUM, start=start, fisher_of=lambda x: 1e5 * exact.fisher(x))
    )
    assert result.success, result.message
    assert result.edm < 2e-5
    assert np.abs((result.values - MINIMUM) / ERRORS).max() < 0.0045


def test_fit_with_a_wrong_gradient_succeeds() -> None:
    objective = quadratic(COVARIANCE, MINIMUM)
    result = minimise(quadratic(COVARIANCE, MINIMUM, gradient_of=lambda x: -objective.gradient(x)))
    assert result.success, result.message
    assert np.abs((result.values - MINIMUM) / ERRORS).max() < 0.0045


def test_minos_errors_of_a_parabola_equal_its_symmetric_errors() -> None:
    result = minimise(quadratic(COVARIANCE, MINIMUM), minos=True)
    assert result.errn == pytest.approx(ERRORS, rel=1e-3)
    assert result.errp == pytest.approx(ERRORS, rel=1e-3)


@DERIVATIVES
def test_minos_errors_of_poisson_counts_are_exact(overrides: dict) -> None:
    from scipy.optimize import brentq

    counts = 9.0
    objective = poisson(np.array([counts]), np.eye(1), np.zeros(1), **overrides)
    result = minimise(objective, minos=True)
    low, high = (
        brentq(lambda mean: 2 * (mean - counts + counts * np.log(counts / mean)) - 1, *bracket)
        for bracket in [(3, 9), (9, 20)]
    )
    assert result.errn == pytest.approx([counts - low], rel=2e-3)
    assert result.errp == pytest.approx([high - counts], rel=2e-3)


def test_missing_minos_errors_are_noted() -> None:
    objective = poisson(np.array([2.0]), np.eye(1), np.zeros(1), limits=[[1.9, np.inf]])
    result = minimise(objective, minos=True)
    assert result.success, result.message
    assert np.isnan(result.errn[0])
    assert np.isfinite(result.errp[0])
    assert any(note.startswith("MINOS found no lower error of s0:") for note in result.notes)
