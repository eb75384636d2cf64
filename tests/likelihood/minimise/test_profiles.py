"""Profiles, asymmetric errors and contours, compared with analytical results."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import brentq

from objectives import poisson, quadratic, rosenbrock
from skyred import Objective
from skyred.errors import FitError
from skyred.interfaces.records import FitResult
from skyred.likelihood.minimise import minimise
from skyred.likelihood.minimise.conditional import conditional_objective
from skyred.likelihood.minimise.conditional_fit import ConditionalFit, ConditionalMinimum
from skyred.likelihood.minimise.profile import (
    ACCURACY,
    asymmetric_errors,
    contour,
    find_crossing,
    find_crossing_length,
    profile,
)


@st.composite
def parabolas(draw: st.DrawFn) -> tuple[Objective, np.ndarray, np.ndarray]:
    """Draw a parabola of 2 to 4 parameters of any scale and correlation."""
    size = draw(st.integers(2, 4))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    root = random.normal(size=(size, size))
    scale = 10.0 ** random.uniform(-12, 3, size)
    covariance = (root @ root.T + 0.1 * np.eye(size)) * np.outer(scale, scale)
    minimum = random.normal(size=size) * scale * 5
    return quadratic(covariance, minimum), covariance, minimum


def conditional_fit_of(objective: Objective, *indices: int) -> tuple[ConditionalFit, FitResult]:
    """Fit all parameters; return the fit with some parameters fixed, and the best fit."""
    best = minimise(objective)
    assert best.success
    return ConditionalFit(objective, best, indices), best


@given(parabolas())
def test_profile_of_a_parabola_is_exact(parabola) -> None:
    objective, covariance, minimum = parabola
    conditional_fit, best = conditional_fit_of(objective, 1)
    error = np.sqrt(covariance[1, 1])
    offsets = np.array([-4, -1, 0, 0.5, 3])
    result = profile(conditional_fit, minimum[1] + offsets * error)
    np.testing.assert_allclose(result.stat - best.stat, offsets**2, rtol=1e-4, atol=1e-4)
    # the other parameters follow from the regression coefficients of the covariance
    slope = covariance[:, 1] / covariance[1, 1]
    expected = minimum + np.outer(offsets * error, slope)
    np.testing.assert_allclose(
        (result.parameters - expected) / np.sqrt(np.diag(covariance)), 0, atol=0.01
    )


@given(parabolas(), st.floats(0.3, 5))
def test_asymmetric_errors_of_a_parabola_are_equal(parabola, sigma: float) -> None:
    objective, covariance, _ = parabola
    best = minimise(objective)
    expected = sigma * np.sqrt(covariance[0, 0])
    for error in asymmetric_errors(objective, best, 0, sigma):
        # ACCURACY is that of the statistic at the crossing
        assert error == pytest.approx(expected, rel=ACCURACY / sigma**2)


@given(parabolas(), st.sampled_from([1.0, 2.3, 9.0]))
def test_contour_of_a_parabola_is_an_ellipse(parabola, rise: float) -> None:
    objective, covariance, minimum = parabola
    conditional_fit, best = conditional_fit_of(objective, 0, 1)
    block = np.ix_([0, 1], [0, 1])
    result = contour(conditional_fit, best.covariance[block], rise, 12)
    scale = np.sqrt(np.diag(covariance)[:2])
    inverse = np.linalg.inv(covariance[block] / np.outer(scale, scale))
    offsets = (np.array([result.x, result.y]).T - minimum[:2]) / scale
    np.testing.assert_allclose(np.einsum("ij,jk,ik->i", offsets, inverse, offsets), rise, rtol=2e-3)
    assert not result.at_limit.any()
    # the points enclose the minimum once
    whitened = offsets @ np.linalg.cholesky(inverse)
    turns = np.unwrap(np.arctan2(whitened[:, 1], whitened[:, 0]))
    assert abs(abs(turns[-1] - turns[0]) - 2 * np.pi * 11 / 12) < 1e-3


def test_crossings_of_poisson_counts_are_exact() -> None:
    # one bin, 4 counts, no background: stat = 2 (x - 4 log x), far from a parabola
    objective = poisson(np.array([4.0]), np.array([[1.0]]), np.array([0.0]))
    best = minimise(objective)

    def rise(x: float) -> float:
        return 2 * (x - 4 - 4 * np.log(x / 4)) - 4

    expected = 4 - brentq(rise, 0.1, 4), brentq(rise, 4, 30) - 4
    assert asymmetric_errors(objective, best, 0, 2.0) == pytest.approx(expected, rel=ACCURACY / 4)


def test_conditional_fits_follow_a_curved_valley() -> None:
    # Rosenbrock's valley: with x fixed, y is x^2 and the statistic (1 - x)^2
    conditional_fit, best = conditional_fit_of(rosenbrock(), 0)
    values = np.linspace(-1, 3, 9)
    result = profile(conditional_fit, values)
    np.testing.assert_allclose(result.stat - best.stat, (1 - values) ** 2, atol=1e-3)
    np.testing.assert_allclose(result.parameters[:, 1], values**2, atol=0.01)


def without_derivatives(objective: Objective) -> Objective:
    return attrs.evolve(objective, gradient_of=None, fisher_of=None)


def test_profile_with_migrad_agrees_with_newton_steps() -> None:
    counts, signal = np.array([9.0, 4.0, 6.0]), np.array([[1.0, 0.2], [0.3, 1.0], [1.0, 1.0]])
    objective = poisson(counts, signal, np.ones(3))
    values = [1.0, 3.0, 5.0]
    expected, actual = (
        profile(conditional_fit_of(candidate, 0)[0], values).stat
        for candidate in (objective, without_derivatives(objective))
    )
    # MIGRAD stops early
    np.testing.assert_allclose(actual, expected, atol=2e-3)


def test_profile_is_nan_without_a_conditional_minimum() -> None:
    objective = poisson(np.array([9.0, 4.0]), np.eye(2), np.array([1.0, 1.0]))
    conditional_fit, _ = conditional_fit_of(objective, 0)
    # below -1 the predicted counts are negative, and the statistic is infinite
    result = profile(conditional_fit, [-2.0, 8.0])
    assert np.isnan(result.stat[0])
    assert np.isfinite(result.stat[1])


def test_crossings_outside_a_limit_are_marked() -> None:
    limits = [[-1.0, np.inf], [-np.inf, np.inf]]
    conditional_fit, best = conditional_fit_of(quadratic(np.eye(2), [0, 0], limits=limits), 0)
    lower, upper = (find_crossing(conditional_fit, np.array([side]), 4.0) for side in (-1.0, 1.0))
    assert lower.at_limit
    assert lower.values == pytest.approx([-1])
    assert not upper.at_limit
    assert upper.values == pytest.approx([2], rel=ACCURACY)
    errn, errp = asymmetric_errors(conditional_fit.objective, best, 0, 2.0)
    assert np.isnan(errn)
    assert errp == pytest.approx(2, rel=ACCURACY)


def test_points_of_a_contour_at_a_limit_are_marked() -> None:
    limits = [[-0.5, np.inf], [-np.inf, np.inf]]
    conditional_fit, best = conditional_fit_of(quadratic(np.eye(2), [0, 0], limits=limits), 0, 1)
    result = contour(conditional_fit, best.covariance, 1.0, 16)
    np.testing.assert_array_equal(result.at_limit, result.x < -0.499)
    assert 0 < result.at_limit.sum() < 16
    is_crossing = ~result.at_limit
    np.testing.assert_allclose(
        result.x[is_crossing] ** 2 + result.y[is_crossing] ** 2, 1, rtol=2e-3
    )


@given(edge=st.floats(0.62, 1.0), height=st.floats(10, 1e6), width=st.floats(0.3, 0.6))
def test_crossing_near_a_step_is_located(edge: float, height: float, width: float) -> None:
    """Check a statistic with a step, as it can have at negative amplitudes."""

    def fit(length: float) -> ConditionalMinimum:
        stat = (length / width) ** 2 + (height if length >= edge else 0)
        return ConditionalMinimum(np.array([length]), stat, True)

    # the statistic is accurate to ACCURACY, and its slope at the crossing is 2 / width
    assert find_crossing_length(fit, 0.0, 1.0) == pytest.approx(width, abs=ACCURACY * width)


def test_bounded_statistic_has_no_error() -> None:
    # the statistic saturates at 1 above its minimum, so that it does not cross 4
    objective = Objective(
        names=["x"], start=[0.3], steps=[0.5], stat=lambda x: float(1 - np.exp(-(x[0] ** 2)))
    )
    conditional_fit, best = conditional_fit_of(objective, 0)
    assert np.isnan(asymmetric_errors(objective, best, 0, 2.0)).all()
    assert np.isfinite(asymmetric_errors(objective, best, 0, 0.5)).all()
    assert len(conditional_fit.minima) < 200  # the search is limited


def test_conditional_fit_can_fix_all_parameters() -> None:
    conditional_fit, _ = conditional_fit_of(quadratic(np.eye(2), [1, 2]), 0, 1)
    assert conditional_fit.fit([2, 4]).stat == pytest.approx(5)


def test_conditional_objective_keeps_units_limits_and_derivatives() -> None:
    limits = [[-1.0, 4.0], [-2.0, 5.0], [-3.0, 6.0]]
    objective = quadratic(
        np.diag([1.0, 4.0, 9.0]), [0, 0, 0], limits=limits, units=["a", "b", "c"],
        may_be_non_smooth=np.array([True, False, True]), prior=lambda x: float(x.sum()),
    )  # fmt: skip
    partial_objective = conditional_objective(
        objective, np.array([0, 2]), np.array([9.0, 0.5, 9.0])
    )
    assert (partial_objective.names, partial_objective.units) == (("p0", "p2"), ("a", "c"))
    np.testing.assert_array_equal(partial_objective.limits, [[-1, 4], [-3, 6]])
    np.testing.assert_array_equal(partial_objective.may_be_non_smooth, [True, True])
    x = np.array([1.0, 2.0])
    full_values = np.array([1.0, 0.5, 2.0])
    assert partial_objective.total(x) == objective.total(full_values)
    np.testing.assert_array_equal(
        partial_objective.gradient(x), objective.gradient(full_values)[[0, 2]]
    )
    np.testing.assert_array_equal(
        partial_objective.fisher(x), objective.fisher(full_values)[np.ix_([0, 2], [0, 2])]
    )


def test_fit_without_errors_is_rejected() -> None:
    objective = quadratic(np.eye(2), [0, 0])
    best = attrs.evolve(minimise(objective), errors=[np.nan, 1.0], message="HESSE failed")
    with pytest.raises(FitError, match="no valid errors for p0: HESSE failed"):
        ConditionalFit(objective, best, [0])
