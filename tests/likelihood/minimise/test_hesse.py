"""Covariances from differences of the gradient, compared with analytical results."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from objectives import poisson, quadratic, rosenbrock
from skyred import Objective
from skyred.likelihood.minimise.hesse import hesse

COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
MINIMUM = np.array([1.0, -2.0, 30.0])
NONE_AT_LIMIT = np.zeros(3, dtype=bool)


def test_covariance_of_a_parabola_is_exact() -> None:
    result = hesse(quadratic(COVARIANCE, MINIMUM), MINIMUM, NONE_AT_LIMIT)
    assert result.covariance == pytest.approx(COVARIANCE, rel=1e-9)
    assert result.unconstrained_names == []
    assert result.calls == 7


@given(st.lists(st.floats(-12, 12), min_size=3, max_size=3))
def test_covariance_does_not_depend_on_units(exponents: list[float]) -> None:
    scale = 10 ** np.array(exponents)
    objective = quadratic(COVARIANCE * np.outer(scale, scale), MINIMUM * scale)
    result = hesse(objective, MINIMUM * scale, NONE_AT_LIMIT)
    assert result.covariance / np.outer(scale, scale) == pytest.approx(COVARIANCE, rel=1e-6)


def test_edm_of_a_parabola_is_exact() -> None:
    offset = np.array([0.1, 0.05, -0.02])
    result = hesse(quadratic(COVARIANCE, MINIMUM), MINIMUM + offset, NONE_AT_LIMIT)
    assert result.edm == pytest.approx(offset @ np.linalg.inv(COVARIANCE) @ offset, rel=1e-6)


def test_fisher_matrix_only_sets_the_steps() -> None:
    objective = quadratic(COVARIANCE, MINIMUM, fisher_of=lambda x: np.diag([9.0, 1e-3, 50.0]))
    assert hesse(objective, MINIMUM, NONE_AT_LIMIT).covariance == pytest.approx(
        COVARIANCE, rel=1e-8
    )


def test_steps_of_the_objective_replace_a_zero_fisher_matrix() -> None:
    objective = quadratic(COVARIANCE, MINIMUM, fisher_of=lambda x: np.zeros((3, 3)))
    assert hesse(objective, MINIMUM, NONE_AT_LIMIT).covariance == pytest.approx(
        COVARIANCE, rel=1e-8
    )


def test_covariance_includes_second_derivatives_of_the_model() -> None:
    # at (1, 1) the Fisher matrix is the Hessian; elsewhere residuals contribute
    x = np.array([0.9, 0.7])
    hessian = np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200]])
    result = hesse(rosenbrock(), x, np.zeros(2, dtype=bool))
    # third derivatives cancel in central differences; the fourth derivative is 2400
    assert result.covariance == pytest.approx(2 * np.linalg.inv(hessian), rel=0.01)


def test_poisson_errors_agree_with_the_analytical_result() -> None:
    counts, signal = np.array([40.0, 25.0]), np.eye(2) * [2.0, 5.0]
    result = hesse(poisson(counts, signal, np.zeros(2)), np.array([20.0, 5.0]), NONE_AT_LIMIT[:2])
    expected = np.diag([40 / 4, 25 / 25])  # n / s^2
    # steps of 0.03 sigma change the second derivative by a fraction of (0.03)^2 / n
    assert result.covariance == pytest.approx(expected, rel=1e-3)


def test_parameter_at_its_limit_has_no_correlations() -> None:
    at_limit = np.array([True, False, False])
    limits = [[MINIMUM[0], np.inf], [-np.inf, np.inf], [-np.inf, np.inf]]
    result = hesse(quadratic(COVARIANCE, MINIMUM, limits=limits), MINIMUM, at_limit)
    inverse = np.linalg.inv(COVARIANCE)
    assert result.covariance[1:, 1:] == pytest.approx(np.linalg.inv(inverse[1:, 1:]), rel=1e-9)
    assert result.covariance[0, 0] == pytest.approx(1 / inverse[0, 0], rel=1e-9)
    assert result.covariance[0, 1:] == pytest.approx([0, 0])


def test_parameters_at_limits_have_conditional_variances() -> None:
    result = hesse(quadratic(COVARIANCE, MINIMUM), MINIMUM, ~NONE_AT_LIMIT)
    assert np.diag(result.covariance) == pytest.approx(1 / np.diag(np.linalg.inv(COVARIANCE)))
    assert result.edm == 0


def test_steps_stay_within_limits() -> None:
    evaluated = []

    def gradient(x: np.ndarray) -> np.ndarray:
        evaluated.append(x.copy())
        return 2 * np.linalg.inv(COVARIANCE) @ (x - MINIMUM)

    limits = [[MINIMUM[0], np.inf], [-np.inf, MINIMUM[1]], [29.999, 30.001]]
    objective = quadratic(COVARIANCE, MINIMUM, gradient_of=gradient, limits=limits)
    result = hesse(objective, MINIMUM, NONE_AT_LIMIT)
    assert result.covariance == pytest.approx(COVARIANCE, rel=1e-6)
    low, high = np.array(limits).T
    assert (np.array(evaluated) >= low).all()
    assert (np.array(evaluated) <= high).all()


def objective_with_hessian(matrix: np.ndarray) -> Objective:
    """Return an objective with a Hessian, and the unit matrix as Fisher matrix."""
    size = len(matrix)
    return Objective(
        names=[f"p{index}" for index in range(size)],
        start=np.zeros(size),
        stat=lambda x: float(x @ matrix @ x / 2),
        gradient_of=lambda x: matrix @ x,
        fisher_of=lambda x: np.eye(size),
    )


@pytest.mark.parametrize(
    ("matrix", "names"),
    [
        pytest.param(np.diag([1.0, -1.0, 1.0]), ["p1"], id="saddle point"),
        pytest.param(np.diag([1.0, 0.0, 1.0]), ["p1"], id="no effect"),
        pytest.param(
            [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0, 0, 1.0]],
            ["p0", "p1"],
            id="only the sum has an effect",
        ),
        pytest.param(np.diag([1.0, np.nan, 1.0]), ["p0", "p1", "p2"], id="NaN"),
        pytest.param(np.diag([-1.0, -1.0, -1.0]), ["p0", "p1", "p2"], id="maximum"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_parameters_without_positive_curvature_are_reported(
    matrix: np.ndarray, names: list[str]
) -> None:
    result = hesse(objective_with_hessian(np.array(matrix)), np.zeros(3), NONE_AT_LIMIT)
    assert result.unconstrained_names == names
    all_invalid = np.ones(3, dtype=bool)
    is_invalid = np.isin(["p0", "p1", "p2"], names) if result.zero_curvature else all_invalid
    np.testing.assert_array_equal(np.isnan(np.diag(result.covariance)), is_invalid)
    assert np.isnan(result.edm)


@pytest.mark.parametrize("curvature", [-1.0, 0.0])
@pytest.mark.parametrize("side", [1, -1])
def test_error_of_a_linear_statistic_at_a_limit_is_the_distance_of_a_rise(
    curvature: float, side: int
) -> None:
    matrix, slope = np.diag([1.0, curvature, 1.0]), np.array([0, 2.0 * side, 0])
    at_limit = np.array([False, True, False])
    limits = np.full((3, 2), [-np.inf, np.inf])
    limits[1, (1 - side) // 2] = 0
    objective = attrs.evolve(
        objective_with_hessian(matrix),
        stat=lambda x: float(x @ matrix @ x / 2 + slope @ x),
        gradient_of=lambda x: matrix @ x + slope,
        limits=limits,
    )
    result = hesse(objective, np.zeros(3), at_limit)
    # 2 d + curvature d^2 / 2 = 1
    distance = 0.5 if curvature == 0 else 2 - np.sqrt(2)
    assert result.unconstrained_names == []
    # of the search for the rise
    assert np.sqrt(result.covariance[1, 1]) == pytest.approx(distance, rel=0.01)
    assert np.diag(result.covariance)[[0, 2]] == pytest.approx([2, 2])


def test_parameter_at_its_limit_without_effect_is_unconstrained() -> None:
    at_limit = np.array([False, True, False])
    result = hesse(objective_with_hessian(np.diag([1.0, 0.0, 1.0])), np.zeros(3), at_limit)
    assert result.unconstrained_names == ["p1"]
    assert result.zero_curvature


def limited_by(function: Callable[[float], float], slope: float, high: float) -> Objective:
    """Return an objective with a parabola, and a function of a parameter at its lower limit 0."""
    return attrs.evolve(
        objective_with_hessian(np.diag([2.0, 0.0])),
        stat=lambda x: x[0] ** 2 + function(x[1]),
        gradient_of=lambda x: np.array([2 * x[0], slope]),
        limits=[[-np.inf, np.inf], [0, high]],
    )


@pytest.mark.parametrize(
    ("function", "slope", "high", "error"),
    [
        # the statistic rises by 0.8 at most: a parabola that rises as much at its maximum
        (lambda p: 0.8 * np.sin(p), 0.8, 4.0, np.pi / 2 / np.sqrt(0.8)),
        (lambda p: 4 * p, 4.0, 0.02, 0.02 / np.sqrt(0.08)),  # to the other limit
        (lambda p: np.inf if p > 0 else 0, 4.0, np.inf, 0.25),  # from the slope
        (lambda p: np.nan if p > 0 else 0, 4.0, np.inf, 0.25),
    ],
)
def test_error_at_a_limit_is_finite_if_the_statistic_does_not_rise_by_one(
    function: Callable[[float], float], slope: float, high: float, error: float
) -> None:
    result = hesse(limited_by(function, slope, high), np.zeros(2), np.array([False, True]))
    assert result.unconstrained_names == []
    # the maximum is found within a factor of two
    assert np.sqrt(result.covariance[1, 1]) == pytest.approx(error, rel=0.3)
    assert result.covariance[0, 0] == pytest.approx(1)


def test_parameter_with_equal_limits_does_not_prevent_a_fit() -> None:
    limits = [[-np.inf, np.inf], [2, 2], [-np.inf, np.inf]]
    objective = quadratic(COVARIANCE, np.array([1.0, 3, 30]), limits=limits)
    result = hesse(objective, np.array([1.0, 2, 30]), np.array([False, True, False]))
    assert result.unconstrained_names == []
    assert np.isfinite(result.covariance).all()
