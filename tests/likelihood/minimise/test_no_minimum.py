"""`minimise` on objectives without a minimum, or with values that are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from objectives import poisson, quadratic, rosenbrock
from skyred import Objective
from skyred.errors import FitError
from skyred.likelihood.minimise import minimise

COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
MINIMUM = np.array([1.0, -2.0, 30.0])
ERRORS = np.sqrt(np.diag(COVARIANCE))
NO_DERIVATIVES = {"gradient_of": None, "fisher_of": None}
DERIVATIVES = pytest.mark.parametrize(
    "overrides",
    [pytest.param({}, id="both"), pytest.param({"fisher_of": None}, id="gradient"),
     pytest.param(NO_DERIVATIVES, id="none")],
)  # fmt: skip


def diagonal_objective(second_derivatives: list[float], **overrides: Any) -> Objective:
    """Return an objective with a diagonal Hessian, and its absolute values as Fisher matrix."""
    diagonal = np.array(second_derivatives)
    defaults = {
        "names": ["x", "y"],
        "start": [1.0, 1.0],
        "stat": lambda x: float(diagonal @ x**2 / 2),
        "gradient_of": lambda x: diagonal * x,
        "fisher_of": lambda x: np.diag(np.abs(diagonal)),
    }
    return Objective(**{**defaults, **overrides})


@DERIVATIVES
@pytest.mark.parametrize("start", [[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("second", [-1.0, 0.0])
def test_saddle_or_flat_direction_is_a_failure(
    overrides: dict[str, Any], start: list[float], second: float
) -> None:
    result = minimise(diagonal_objective([2.0, second], start=start, **overrides), calls=500)
    assert not result.success
    assert result.message


def test_flat_direction_is_reported() -> None:
    result = minimise(diagonal_objective([2.0, 0.0]))
    assert "the likelihood does not constrain y: freeze" in result.message


def test_all_degenerate_parameters_are_reported() -> None:
    def stat(x: np.ndarray) -> float:
        return float((x[0] + x[1] - 1) ** 2 + x[2] ** 2)

    matrix = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    result = minimise(
        Objective(
            names=["x", "y", "z"],
            start=[2.0, 2.0, 2.0],
            stat=stat,
            gradient_of=lambda x: 2 * (matrix @ x - [1, 1, 0]),
            fisher_of=lambda x: 2 * matrix,
        )
    )
    assert not result.success
    assert "the likelihood does not constrain x, y: freeze" in result.message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_unbounded_statistic_is_a_failure() -> None:
    objective = Objective(
        names=["x", "y"],
        start=[2.0, 2.0],
        stat=lambda x: float(x[0] ** 2 - x[1]),
        gradient_of=lambda x: np.array([2 * x[0], -1]),
        fisher_of=lambda x: np.diag([2.0, 0.0]),
    )
    result = minimise(objective)
    assert not result.success
    assert result.message


def test_linear_statistic_ends_at_its_limit() -> None:
    # without counts, the statistic is twice the predicted counts
    objective = poisson(np.zeros(3), np.ones((3, 1)), np.ones(3), limits=[[0, np.inf]])
    result = minimise(objective)
    assert result.values == pytest.approx([0], abs=1e-6)
    assert result.at_limit == ("s0",)
    assert result.stat == pytest.approx(6, abs=1e-4)


def partly_finite(invalid_value: float, upper: float) -> Objective:
    """Return a parabola around 9 with invalid values above `upper`."""

    def stat(x: np.ndarray) -> float:
        return float((x[0] - 9) ** 2) if x[0] < upper else invalid_value

    return quadratic(np.eye(1), [9.0], start=[1.0], stat=stat)


@pytest.mark.parametrize("invalid_value", [np.nan, np.inf])
@pytest.mark.parametrize("overrides", [{}, NO_DERIVATIVES], ids=["derivatives", "none"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_minimum_that_is_not_finite_is_a_failure(invalid_value: float, overrides: dict) -> None:
    objective = partly_finite(invalid_value, 3)
    objective.gradient_of = overrides.get("gradient_of", objective.gradient_of)
    objective.fisher_of = overrides.get("fisher_of", objective.fisher_of)
    result = minimise(objective)
    assert not result.success
    assert result.message


@pytest.mark.parametrize("invalid_value", [np.nan, np.inf])
def test_fit_succeeds_if_some_steps_are_not_finite(invalid_value: float) -> None:
    objective = partly_finite(invalid_value, 10.5)
    result = minimise(objective)
    assert result.success, result.message
    assert result.values == pytest.approx([9], abs=0.0045)


@pytest.mark.parametrize("argument", ["gradient_of", "fisher_of"])
def test_derivatives_that_are_not_finite_are_not_needed(argument: str) -> None:
    invalid_derivatives = {
        "gradient_of": lambda x: np.full(3, np.nan),
        "fisher_of": lambda x: np.full((3, 3), np.nan),
    }
    result = minimise(quadratic(COVARIANCE, MINIMUM, **{argument: invalid_derivatives[argument]}))
    assert result.success, result.message
    assert np.abs((result.values - MINIMUM) / ERRORS).max() < 0.0045
    assert result.errors == pytest.approx(ERRORS, rel=1e-3)


@pytest.mark.parametrize("invalid_value", [np.nan, np.inf, -np.inf])
def test_start_that_is_not_finite_is_rejected(invalid_value: float) -> None:
    with pytest.raises(FitError, match=r"the fit statistic is (nan|inf|-inf) at the starting"):
        minimise(quadratic(COVARIANCE, MINIMUM, stat=lambda x: invalid_value))


def test_limit_on_calls_is_reported() -> None:
    result = minimise(rosenbrock(**NO_DERIVATIVES), calls=10)
    assert not result.success
    assert "the limit on calls was reached; increase calls" in result.message


def test_minos_is_skipped_without_a_minimum() -> None:
    result = minimise(diagonal_objective([2.0, 0.0]), minos=True)
    assert not result.success
    assert result.errn is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_of_a_diverged_search_are_discarded() -> None:
    # as for a source with a flux of zero, at its limit: MIGRAD moves the flux to infinity
    objective = Objective(
        names=["flux", "index"],
        start=[0.0, 1.0],
        limits=[[0, np.inf], [-np.inf, np.inf]],
        steps=np.array([1, 0.1]),
        stat=lambda x: x[0] + 7,
        gradient_of=lambda x: np.array([1, 0] if x.tolist() == [0, 1] else [np.nan, np.nan]),
        fisher_of=lambda x: np.zeros((2, 2)),
    )
    result = minimise(objective)
    assert not result.success
    assert result.values.tolist() == [0, 1]
    assert result.stat == 7
    assert result.at_limit == ("flux",)
    assert "the statistic hardly depends on index" in result.message
