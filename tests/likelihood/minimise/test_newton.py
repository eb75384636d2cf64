"""Newton steps on objectives with known minima."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from objectives import add_noise, minimum_within_limits, poisson, quadratic, rosenbrock
from skyred import Objective
from skyred.likelihood.minimise.newton import descend
from skyred.likelihood.minimise.newton_search import NewtonResult, NewtonSearch

TOLERANCE = 2e-5  # in the statistic: the default of `minimise`
COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
MINIMUM = np.array([1.0, -2.0, 30.0])


def search(objective: Objective) -> NewtonResult:
    return NewtonSearch(objective, TOLERANCE).run(objective.start)


def draw_correlation(random: np.random.Generator, size: int) -> np.ndarray:
    """Draw a correlation matrix; before scaling, the ratio of its eigenvalues is at most 100."""
    axes = np.linalg.qr(random.normal(size=(size, size)))[0]
    matrix = axes @ np.diag(10 ** random.uniform(-1, 1, size)) @ axes.T
    scale = np.sqrt(np.diag(matrix))
    return matrix / np.outer(scale, scale)


def test_one_step_solves_a_parabola() -> None:
    descent = descend(
        quadratic(COVARIANCE, MINIMUM, start=MINIMUM + np.array([1, 1, 1])), TOLERANCE
    )
    assert descent.converged
    assert descent.x == pytest.approx(MINIMUM, abs=1e-9)
    assert descent.calls <= 7
    assert not descent.at_bound.any()


def test_errors_agree_with_the_inverse_fisher_matrix() -> None:
    descent = descend(quadratic(COVARIANCE, MINIMUM), TOLERANCE)
    assert descent.errors == pytest.approx(np.sqrt(np.diag(COVARIANCE)), rel=1e-9)


def test_descent_from_a_hundred_sigma_away_converges() -> None:
    objective = quadratic(COVARIANCE, MINIMUM, start=MINIMUM + np.array([200, -100, 50]))
    descent = descend(objective, TOLERANCE)
    assert descent.converged
    assert descent.x == pytest.approx(MINIMUM, abs=1e-6)


def test_descent_with_too_few_iterations_does_not_converge() -> None:
    objective = quadratic(np.eye(1), [0.0], start=[300.0])
    assert not descend(objective, TOLERANCE, max_iterations=2).converged


def test_steps_to_negative_predicted_counts_are_shortened() -> None:
    # with 1e7 predicted and 10 observed counts, the statistic is almost linear, and the first step
    # leads to negative counts, for which it is infinite
    objective = poisson(np.array([10.0]), np.ones((1, 1)), np.zeros(1), start=[1e7])
    descent = descend(objective, TOLERANCE)
    assert descent.converged
    assert descent.x == pytest.approx([10.0], abs=0.02)


def test_start_outside_the_limits_is_moved_inside() -> None:
    evaluated = []

    def stat(x: np.ndarray) -> float:
        evaluated.append(x.copy())
        return float((x[0] - 1) ** 2)

    objective = quadratic(np.eye(1), [1.0], stat=stat, limits=[[0, 5]], start=[9.0])
    descent = descend(objective, TOLERANCE)
    assert descent.x == pytest.approx([1.0])
    assert 0 <= np.min(evaluated) <= np.max(evaluated) <= 5


@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 4),
    exponents=st.lists(st.floats(-12, 12), min_size=4, max_size=4),
    bound=st.lists(st.sampled_from(["none", "low", "high", "both"]), min_size=4, max_size=4),
)
def test_parabolas_of_any_scale_are_solved_within_their_limits(
    seed: int, size: int, exponents: list[float], bound: list[str]
) -> None:
    random = np.random.default_rng(seed)
    scale = 10 ** np.array(exponents[:size])
    covariance = draw_correlation(random, size) * np.outer(scale, scale)
    minimum = random.uniform(-10, 10, size) * scale
    edges = np.sort(random.uniform(-3, 3, (size, 2)), axis=1) * scale[:, None] + minimum[:, None]
    low = np.where(np.isin(bound[:size], ["low", "both"]), edges[:, 0], -np.inf)
    high = np.where(np.isin(bound[:size], ["high", "both"]), edges[:, 1], np.inf)
    limits = np.array([low, high]).T
    expected, at_limit = minimum_within_limits(covariance, minimum, limits)
    # the gain of a step is the square of its length in sigma: 1e-14 for 1e-7 sigma
    descent = descend(quadratic(covariance, minimum, limits=limits), 1e-14)
    assert descent.converged
    assert np.abs(descent.x - expected) / scale == pytest.approx(0, abs=1e-6)
    assert (descent.at_bound <= at_limit).all()  # a minimum at a limit can have zero slope


@pytest.mark.parametrize("start", [0.01, 1.0, 300.0])
def test_best_fit_to_poisson_counts_is_their_mean(start: float) -> None:
    counts = np.array([3.0, 7.0, 5.0, 0.0])
    objective = poisson(counts, np.ones((4, 1)), np.zeros(4), start=[start])
    descent = descend(objective, TOLERANCE)
    assert descent.converged
    # the tolerance of 2e-5 in the statistic is sqrt(2e-5) = 0.0045 sigma; sigma is sqrt(15) / 4
    assert descent.x[0] == pytest.approx(15 / 4, abs=0.0045 * np.sqrt(15) / 4)


def test_zero_counts_end_at_the_lower_limit() -> None:
    objective = poisson(np.zeros(3), np.ones((3, 1)), np.ones(3), limits=[[0, np.inf]])
    descent = descend(objective, TOLERANCE)
    assert descent.converged
    assert descent.x.tolist() == [0.0]
    assert descent.at_bound.tolist() == [True]


def test_minimum_of_a_curved_valley_is_reached() -> None:
    descent = descend(rosenbrock(), TOLERANCE)
    assert descent.converged
    assert descent.x == pytest.approx([1, 1], abs=0.01)


@pytest.mark.parametrize("invalid_value", [np.nan, np.inf])
def test_steps_to_non_finite_values_are_shortened(invalid_value: float) -> None:
    objective = quadratic(np.eye(1), [1.0])

    def stat(x: np.ndarray) -> float:
        return objective.stat(x) if x[0] > 0.9 else invalid_value

    # a Fisher matrix three times too small makes each step three times too long
    fisher = 2 * np.eye(1) / 3
    descent = descend(quadratic(np.eye(1), [1.0], stat=stat, fisher_of=lambda x: fisher), TOLERANCE)
    assert descent.converged
    assert descent.x == pytest.approx([1.0], abs=0.01)


def test_wrong_gradient_does_not_converge() -> None:
    # the gradient has the wrong sign, so no step decreases the statistic
    correct = quadratic(np.eye(1), [1.0])
    objective = quadratic(np.eye(1), [1.0], gradient_of=lambda x: -correct.gradient(x))
    assert not descend(objective, TOLERANCE).converged


@pytest.mark.parametrize("direction", [0, 1])
def test_parameter_without_effect_is_not_changed(direction: int) -> None:
    matrix = np.zeros((2, 2))
    matrix[1 - direction, 1 - direction] = 2.0
    objective = Objective(
        names=["a", "b"],
        start=[4.0, 4.0],
        stat=lambda x: float((x[1 - direction] - 1) ** 2),
        gradient_of=lambda x: matrix @ (x - 1),
        fisher_of=lambda x: matrix,
        steps=np.array([0.3, 0.3]),
    )
    descent = descend(objective, TOLERANCE)
    assert descent.x[direction] == 4.0
    assert descent.x[1 - direction] == pytest.approx(1.0)
    assert descent.errors[direction] == 0.3


def two_parabolas(depth: float, distance: float, **overrides: Any) -> Objective:
    """Return the minimum of two parabolas with sigma 1, not differentiable where they cross.

    Their minima are 0 at 0, and ``-depth`` at ``2 distance``.
    """

    def branches(x: np.ndarray) -> tuple[float, float]:
        return float(x[0] ** 2), float((x[0] - 2 * distance) ** 2 - depth)

    def gradient(x: np.ndarray) -> np.ndarray:
        first, second = branches(x)
        return np.array([2 * x[0] if first <= second else 2 * (x[0] - 2 * distance)])

    defaults = {
        "names": ["x"],
        "start": [-1.0],
        "stat": lambda x: min(branches(x)),
        "gradient_of": gradient,
        "fisher_of": lambda x: 2 * np.eye(1),
    }
    return Objective(**{**defaults, **overrides})


@pytest.mark.parametrize("distance", [0.1, 0.2, -0.2])
def test_lower_minimum_next_to_a_non_differentiable_point_is_reached(distance: float) -> None:
    objective = two_parabolas(2 * distance**2, distance, start=[-np.sign(distance)])
    assert descend(objective, TOLERANCE).x == pytest.approx([0.0], abs=1e-3)
    result = search(objective)
    assert result.converged
    assert result.x == pytest.approx([2 * distance], abs=0.005)


def test_search_across_non_differentiable_points_stays_within_limits() -> None:
    result = search(two_parabolas(0.1, 0.2, limits=[[-np.inf, 0.3]]))
    assert result.x == pytest.approx([0.3], abs=1e-6)


def test_minimum_lower_by_less_than_the_tolerance_is_ignored() -> None:
    result = search(two_parabolas(1e-6, 0.2))
    assert result.x == pytest.approx([0.0], abs=0.005)


@pytest.mark.parametrize("seed", range(5))
def test_search_converges_with_noise_of_float32(seed: int) -> None:
    random = np.random.default_rng(seed)
    exact = quadratic(draw_correlation(random, 3), MINIMUM)
    objective = quadratic(draw_correlation(random, 3), MINIMUM, stat=add_noise(exact.stat, 1e-5))
    objective.gradient_of, objective.fisher_of = exact.gradient_of, exact.fisher_of
    result = search(objective)
    assert result.converged
    # the tolerance and twice the noise are 4e-5, which is the square of 0.0063 sigma
    assert np.abs(result.x - MINIMUM).max() < 0.0063


def test_descent_with_little_gain_ends_early() -> None:
    def stat(x: np.ndarray) -> float:
        return float(x[0] ** 2 + 3 * abs(x[0] - 0.1) + (x[1] - 2) ** 2)

    objective = Objective(
        names=("x", "y"),
        start=np.array([1.0, 0.0]),
        stat=stat,
        gradient_of=lambda x: np.array([2 * x[0] + 3 * np.sign(x[0] - 0.1), 2 * (x[1] - 2)]),
        fisher_of=lambda x: np.diag([2.0, 2.0]),
    )
    complete, early = (descend(objective, TOLERANCE, min_gain=gain) for gain in (0.0, 0.01))
    assert not early.converged
    assert early.calls < complete.calls
    assert stat(early.x) < stat(complete.x) + 0.05
    smooth = descend(quadratic(COVARIANCE, MINIMUM), TOLERANCE, min_gain=0.01)
    assert smooth.converged
