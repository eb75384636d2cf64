"""Newton steps: where they end on objectives whose minimum is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from objectives import banana, noisy, on_limits, poisson, quadratic
from skyred import Objective
from skyred.likelihood.minimise.newton import descend
from skyred.likelihood.minimise.newton_search import NewtonResult, NewtonSearch

TOLERANCE = 2e-5  # in the statistic: what `minimise` asks for by default
COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
BOTTOM = np.array([1.0, -2.0, 30.0])
NO = [-np.inf, np.inf]


def search(objective: Objective) -> NewtonResult:
    return NewtonSearch(objective, TOLERANCE).run(objective.start)


def correlated(random: np.random.Generator, size: int) -> np.ndarray:
    """Draw a correlation matrix: the smallest eigenvalue is a hundredth of the largest, or more."""
    axes = np.linalg.qr(random.normal(size=(size, size)))[0]
    matrix = axes @ np.diag(10 ** random.uniform(-1, 1, size)) @ axes.T
    scale = np.sqrt(np.diag(matrix))
    return matrix / np.outer(scale, scale)


def test_one_step_solves_a_parabola() -> None:
    found = descend(quadratic(COVARIANCE, BOTTOM, start=BOTTOM + np.array([1, 1, 1])), TOLERANCE)
    assert found.converged
    assert found.x == pytest.approx(BOTTOM, abs=1e-9)
    assert found.calls <= 7  # the start; derivatives and the step; those that gain nothing
    assert not found.at_bound.any()


def test_errors_are_those_of_the_inverse_fisher_matrix() -> None:
    found = descend(quadratic(COVARIANCE, BOTTOM), TOLERANCE)
    assert found.errors == pytest.approx(np.sqrt(np.diag(COVARIANCE)), rel=1e-9)


def test_a_start_hundred_errors_away_arrives() -> None:
    objective = quadratic(COVARIANCE, BOTTOM, start=BOTTOM + np.array([200, -100, 50]))
    found = descend(objective, TOLERANCE)
    assert found.converged
    assert found.x == pytest.approx(BOTTOM, abs=1e-6)


def test_a_start_too_far_away_is_not_called_a_minimum() -> None:
    objective = quadratic(np.eye(1), [0.0], start=[300.0])
    assert not descend(objective, TOLERANCE, iterations=2).converged


def test_steps_grow_where_errors_are_far_too_small() -> None:
    # ten million counts predicted for ten: errors at the start are 1e-4 of the way
    objective = poisson(np.array([10.0]), np.ones((1, 1)), np.zeros(1), start=[1e7])
    end = descend(objective, TOLERANCE)
    assert end.converged
    assert end.x == pytest.approx([10.0], abs=0.02)


def test_a_start_outside_the_limits_is_moved_inside() -> None:
    asked = []

    def stat(x: np.ndarray) -> float:
        asked.append(x.copy())
        return float((x[0] - 1) ** 2)

    bowl = quadratic(np.eye(1), [1.0], stat=stat, limits=[[0, 5]], start=[9.0])
    found = descend(bowl, TOLERANCE)
    assert found.x == pytest.approx([1.0])
    assert 0 <= np.min(asked) <= np.max(asked) <= 5


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
    covariance = correlated(random, size) * np.outer(scale, scale)
    bottom = random.uniform(-10, 10, size) * scale
    edges = np.sort(random.uniform(-3, 3, (size, 2)), axis=1) * scale[:, None] + bottom[:, None]
    low = np.where(np.isin(bound[:size], ["low", "both"]), edges[:, 0], -np.inf)
    high = np.where(np.isin(bound[:size], ["high", "both"]), edges[:, 1], np.inf)
    limits = np.array([low, high]).T
    expected, held = on_limits(covariance, bottom, limits)
    # the expected gain of a step is a square of errors: 1e-14 for 1e-7 errors
    found = descend(quadratic(covariance, bottom, limits=limits), 1e-14)
    assert found.converged
    assert np.abs(found.x - expected) / scale == pytest.approx(0, abs=1e-6)
    assert (found.at_bound <= held).all()  # a minimum may touch a limit that does not hold it


@pytest.mark.parametrize("start", [0.01, 1.0, 300.0])
def test_poisson_counts_lead_to_their_mean(start: float) -> None:
    counts = np.array([3.0, 7.0, 5.0, 0.0])
    objective = poisson(counts, np.ones((4, 1)), np.zeros(4), start=[start])
    found = descend(objective, TOLERANCE)
    assert found.converged
    # the tolerance of 2e-5 in the statistic is sqrt(2e-5) = 0.0045 errors of sqrt(15) / 4
    assert found.x[0] == pytest.approx(15 / 4, abs=0.0045 * np.sqrt(15) / 4)


def test_no_counts_end_at_the_limit_that_holds_them() -> None:
    objective = poisson(np.zeros(3), np.ones((3, 1)), np.ones(3), limits=[[0, np.inf]])
    found = descend(objective, TOLERANCE)
    assert found.converged
    assert found.x.tolist() == [0.0]
    assert found.at_bound.tolist() == [True]


def test_a_bent_valley_is_followed_to_its_end() -> None:
    found = descend(banana(), TOLERANCE)
    assert found.converged
    assert found.x == pytest.approx([1, 1], abs=0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_steps_to_where_the_statistic_is_not_finite_are_shortened(bad: float) -> None:
    bowl = quadratic(np.eye(1), [1.0])

    def stat(x: np.ndarray) -> float:
        return bowl.stat(x) if x[0] > 0.9 else bad

    # a Fisher matrix three times too small makes each step three times too long
    fisher = 2 * np.eye(1) / 3
    found = descend(quadratic(np.eye(1), [1.0], stat=stat, fisher_of=lambda x: fisher), TOLERANCE)
    assert found.converged
    assert found.x == pytest.approx([1.0], abs=0.01)


def test_a_statistic_that_is_nowhere_lower_is_not_called_converged() -> None:
    # the gradient points the wrong way, so no step leads down
    bowl = quadratic(np.eye(1), [1.0])
    objective = quadratic(np.eye(1), [1.0], gradient_of=lambda x: -bowl.gradient(x))
    assert not descend(objective, TOLERANCE).converged


@pytest.mark.parametrize("direction", [0, 1])
def test_a_parameter_without_effect_stays(direction: int) -> None:
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
    found = descend(objective, TOLERANCE)
    assert found.x[direction] == 4.0
    assert found.x[1 - direction] == pytest.approx(1.0)
    assert found.errors[direction] == 0.3


def kinked(depth: float, at: float, **details: Any) -> Objective:
    """A parabola of error 1 around 0, with a deeper one beyond a kink."""

    def branches(x: np.ndarray) -> tuple[float, float]:
        return float(x[0] ** 2), float((x[0] - 2 * at) ** 2 - depth)

    def gradient(x: np.ndarray) -> np.ndarray:
        here, there = branches(x)
        return np.array([2 * x[0] if here <= there else 2 * (x[0] - 2 * at)])

    known = {
        "names": ["x"],
        "start": [-1.0],
        "stat": lambda x: min(branches(x)),
        "gradient_of": gradient,
        "fisher_of": lambda x: 2 * np.eye(1),
    }
    return Objective(**{**known, **details})


@pytest.mark.parametrize("at", [0.1, 0.2, -0.2])
def test_a_lower_minimum_beyond_a_kink_is_found(at: float) -> None:
    objective = kinked(2 * at**2, at, start=[-np.sign(at)])  # the kink is half way to `at`
    assert descend(objective, TOLERANCE).x == pytest.approx([0.0], abs=1e-3)
    found = search(objective)
    assert found.converged
    assert found.x == pytest.approx([2 * at], abs=0.005)


def test_a_limit_is_kept_when_looking_across_kinks() -> None:
    found = search(kinked(0.1, 0.2, limits=[[-np.inf, 0.3]]))
    assert found.x == pytest.approx([0.3], abs=1e-6)


def test_a_minimum_that_gains_less_than_the_tolerance_is_not_looked_for() -> None:
    found = search(kinked(1e-6, 0.2))
    assert found.x == pytest.approx([0.0], abs=0.005)


@pytest.mark.parametrize("seed", range(5))
def test_noise_as_of_float32_does_not_keep_it_from_the_minimum(seed: int) -> None:
    random = np.random.default_rng(seed)
    bowl = quadratic(correlated(random, 3), BOTTOM)
    objective = quadratic(correlated(random, 3), BOTTOM, stat=noisy(bowl.stat, 1e-5))
    objective.gradient_of, objective.fisher_of = bowl.gradient_of, bowl.fisher_of
    found = search(objective)
    assert found.converged
    # of the tolerance and twice the noise: sqrt(4e-5) = 0.0063 errors
    assert np.abs(found.x - BOTTOM).max() < 0.0063


def test_steps_from_side_to_side_of_a_valley_end_early() -> None:
    def stat(x: np.ndarray) -> float:
        return float(x[0] ** 2 + 3 * abs(x[0] - 0.1) + (x[1] - 2) ** 2)

    objective = Objective(
        names=("x", "y"),
        start=np.array([1.0, 0.0]),
        stat=stat,
        gradient_of=lambda x: np.array([2 * x[0] + 3 * np.sign(x[0] - 0.1), 2 * (x[1] - 2)]),
        fisher_of=lambda x: np.diag([2.0, 2.0]),
    )
    patient, early = (descend(objective, TOLERANCE, least_gain=gain) for gain in (0.0, 0.01))
    assert not early.converged
    assert early.calls < patient.calls
    assert stat(early.x) < stat(patient.x) + 0.05
    plain = descend(quadratic(COVARIANCE, BOTTOM), TOLERANCE, least_gain=0.01)
    assert plain.converged
