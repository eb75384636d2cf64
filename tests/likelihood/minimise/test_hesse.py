"""HESSE by differences of the gradient: covariances that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from objectives import banana, poisson, quadratic
from skyred import Objective
from skyred.likelihood.minimise.hesse import hesse

COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
BOTTOM = np.array([1.0, -2.0, 30.0])
FREE = np.zeros(3, dtype=bool)


def test_the_covariance_of_a_parabola_is_exact() -> None:
    found = hesse(quadratic(COVARIANCE, BOTTOM), BOTTOM, FREE)
    assert found.covariance == pytest.approx(COVARIANCE, rel=1e-9)
    assert found.flat == []
    assert found.calls == 7


@given(st.lists(st.floats(-12, 12), min_size=3, max_size=3))
def test_the_sizes_of_parameters_do_not_matter(exponents: list[float]) -> None:
    scale = 10 ** np.array(exponents)
    objective = quadratic(COVARIANCE * np.outer(scale, scale), BOTTOM * scale)
    found = hesse(objective, BOTTOM * scale, FREE)
    assert found.covariance / np.outer(scale, scale) == pytest.approx(COVARIANCE, rel=1e-6)


def test_the_distance_to_the_minimum_is_that_of_the_parabola() -> None:
    away = np.array([0.1, 0.05, -0.02])
    found = hesse(quadratic(COVARIANCE, BOTTOM), BOTTOM + away, FREE)
    assert found.edm == pytest.approx(away @ np.linalg.inv(COVARIANCE) @ away, rel=1e-6)


def test_the_fisher_matrix_settles_the_steps_only() -> None:
    bowl = quadratic(COVARIANCE, BOTTOM, fisher_of=lambda x: np.diag([9.0, 1e-3, 50.0]))
    assert hesse(bowl, BOTTOM, FREE).covariance == pytest.approx(COVARIANCE, rel=1e-8)


def test_without_a_fisher_matrix_the_steps_of_the_objective_do() -> None:
    bowl = quadratic(COVARIANCE, BOTTOM, fisher_of=lambda x: np.zeros((3, 3)))
    assert hesse(bowl, BOTTOM, FREE).covariance == pytest.approx(COVARIANCE, rel=1e-8)


def test_second_derivatives_of_what_is_predicted_are_counted() -> None:
    # Fisher's matrix at (1, 1) is that of Newton, but away from it residuals bend
    x = np.array([0.9, 0.7])
    hessian = np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200]])
    found = hesse(banana(), x, np.zeros(2, dtype=bool))
    # steps of 0.1 of what x alone varies by, 0.05: third derivatives are odd, fourth 2400 small
    assert found.covariance == pytest.approx(2 * np.linalg.inv(hessian), rel=0.01)


def test_poisson_errors_are_analytic() -> None:
    counts, signal = np.array([40.0, 25.0]), np.eye(2) * [2.0, 5.0]
    found = hesse(poisson(counts, signal, np.zeros(2)), np.array([20.0, 5.0]), FREE[:2])
    expected = np.diag([40 / 4, 25 / 25])  # n / s^2
    # central differences over 0.1 errors: 2 (0.1)^2 / n of the second derivative
    assert found.covariance == pytest.approx(expected, rel=1e-3)


def test_a_parameter_held_at_its_limit_is_not_correlated() -> None:
    held = np.array([True, False, False])
    limits = [[BOTTOM[0], np.inf], [-np.inf, np.inf], [-np.inf, np.inf]]
    found = hesse(quadratic(COVARIANCE, BOTTOM, limits=limits), BOTTOM, held)
    inverse = np.linalg.inv(COVARIANCE)
    assert found.covariance[1:, 1:] == pytest.approx(np.linalg.inv(inverse[1:, 1:]), rel=1e-9)
    assert found.covariance[0, 0] == pytest.approx(1 / inverse[0, 0], rel=1e-9)
    assert found.covariance[0, 1:] == pytest.approx([0, 0])


def test_all_parameters_held_have_their_own_variances() -> None:
    found = hesse(quadratic(COVARIANCE, BOTTOM), BOTTOM, ~FREE)
    assert np.diag(found.covariance) == pytest.approx(1 / np.diag(np.linalg.inv(COVARIANCE)))
    assert found.edm == 0


def test_steps_stay_within_limits() -> None:
    asked = []

    def gradient(x: np.ndarray) -> np.ndarray:
        asked.append(x.copy())
        return 2 * np.linalg.inv(COVARIANCE) @ (x - BOTTOM)

    limits = [[BOTTOM[0], np.inf], [-np.inf, BOTTOM[1]], [29.999, 30.001]]
    objective = quadratic(COVARIANCE, BOTTOM, gradient_of=gradient, limits=limits)
    found = hesse(objective, BOTTOM, FREE)
    assert found.covariance == pytest.approx(COVARIANCE, rel=1e-6)
    low, high = np.array(limits).T
    assert (np.array(asked) >= low).all()
    assert (np.array(asked) <= high).all()


def curved(matrix: np.ndarray) -> Objective:
    """A statistic with these second derivatives; what it calls its Fisher matrix is positive."""
    size = len(matrix)
    return Objective(
        names=[f"p{index}" for index in range(size)],
        start=np.zeros(size),
        stat=lambda x: float(x @ matrix @ x / 2),
        gradient_of=lambda x: matrix @ x,
        fisher_of=lambda x: np.eye(size),
    )


@pytest.mark.parametrize(
    ("matrix", "flat"),
    [
        pytest.param(np.diag([1.0, -1.0, 1.0]), ["p1"], id="a saddle"),
        pytest.param(np.diag([1.0, 0.0, 1.0]), ["p1"], id="no effect"),
        pytest.param([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0, 0, 1.0]], ["p0", "p1"], id="a sum"),
        pytest.param(np.diag([1.0, np.nan, 1.0]), ["p0", "p1", "p2"], id="not a number"),
        pytest.param(np.diag([-1.0, -1.0, -1.0]), ["p0", "p1", "p2"], id="a top"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_no_bowl_is_named_and_has_no_covariance(
    matrix: np.ndarray, flat: list[str]
) -> None:
    found = hesse(curved(np.array(matrix)), np.zeros(3), FREE)
    assert found.flat == flat
    named = np.isin(["p0", "p1", "p2"], flat) if found.zero_curvature else np.ones(3, dtype=bool)
    np.testing.assert_array_equal(np.isnan(np.diag(found.covariance)), named)
    assert np.isnan(found.edm)


def test_a_saddle_along_a_held_parameter_is_none() -> None:
    held = np.array([False, True, False])
    found = hesse(curved(np.diag([1.0, -1.0, 1.0])), np.zeros(3), held)
    assert found.flat == []
    assert np.isfinite(found.covariance).all()
