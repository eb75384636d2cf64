"""The fitter `minuit` on bowls whose bottom is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from skyred import Objective
from skyred.components.fitters.minuit import Minuit
from skyred.errors import FitError

COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
BOTTOM = np.array([1.0, -2.0, 30.0])


def bowl(
    covariance: np.ndarray = COVARIANCE, bottom: np.ndarray = BOTTOM, **details: Any
) -> Objective:
    """A quadratic of -2 log L: its covariance is the one given."""
    inverse = np.linalg.inv(covariance)
    names = [f"p{i}" for i in range(len(bottom))]

    def stat(x: np.ndarray) -> float:
        return float((x - bottom) @ inverse @ (x - bottom)) + 7.0

    return Objective(
        **{"names": names, "start": np.ones(len(bottom)) * 0.5, "stat": stat, **details}
    )


def test_a_quadratic_gives_its_covariance() -> None:
    result = Minuit().fit(bowl())
    assert result.success, result.message
    assert result.message == ""
    assert result.values == pytest.approx(BOTTOM, abs=1e-3)
    assert result.covariance == pytest.approx(COVARIANCE, abs=1e-3)
    assert result.errors == pytest.approx(np.sqrt(np.diag(COVARIANCE)), rel=1e-3)
    assert result.stat == pytest.approx(7.0, abs=1e-4)
    assert 0 <= result.edm < 1e-4
    assert result.nfev > 0
    assert result.at_limit == ()


def test_the_objective_has_the_result_it_was_called_for() -> None:
    objective = bowl()
    result = Minuit().fit(objective)
    assert result.stat == objective.total(result.values)
    assert result.names == objective.names


@pytest.mark.parametrize("unit", [1e-13, 1e-6, 1e9])
def test_parameters_of_any_size_are_fitted(unit: float) -> None:
    scale = np.array([unit, 1.0, 1.0])
    result = Minuit().fit(
        bowl(COVARIANCE * np.outer(scale, scale), BOTTOM * scale, start=[3 * unit, 1, 10])
    )
    assert result.success, result.message
    errors = np.sqrt(np.diag(COVARIANCE))
    # MIGRAD stops within a small part of an error, which differs between versions of iminuit
    assert (result.values / scale - BOTTOM) / errors == pytest.approx(0, abs=5e-3)
    assert result.errors / scale == pytest.approx(errors, rel=1e-3)


def test_a_start_at_zero_needs_no_steps() -> None:
    result = Minuit().fit(bowl(start=np.zeros(3)))
    assert result.success, result.message
    assert result.values == pytest.approx(BOTTOM, abs=1e-3)


def poisson(counts: list[int]) -> Callable[[np.ndarray], float]:
    """-2 log L of Poisson counts that share one mean."""
    total, bins = sum(counts), len(counts)
    return lambda x: float(2 * (bins * x[0] - total * np.log(x[0])))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 500), min_size=1, max_size=8).filter(lambda n: sum(n) > 20))
def test_a_poisson_mean_has_the_analytic_error(counts: list[int]) -> None:
    objective = Objective(
        names=["mean"],
        start=[max(np.mean(counts) * 1.5, 1)],
        stat=poisson(counts),
        limits=[[1e-6, np.inf]],
    )
    result = Minuit().fit(objective)
    assert result.success, result.message
    mean = np.mean(counts)
    error = np.sqrt(mean / len(counts))  # the second derivative of -log L: total / mean^2
    assert abs(result.values[0] - mean) < 0.01 * error
    assert result.errors[0] == pytest.approx(error, rel=0.01)


def test_priors_are_part_of_what_is_minimised() -> None:
    objective = Objective(
        names=["x"], start=[0.5], stat=lambda x: (x[0] - 1) ** 2, prior=lambda x: (x[0] - 3) ** 2
    )
    result = Minuit().fit(objective)
    assert result.values[0] == pytest.approx(2, abs=1e-3)
    assert result.errors[0] == pytest.approx(np.sqrt(0.5), rel=1e-3)
    assert result.stat == pytest.approx(2, abs=1e-3)


def test_a_gradient_is_used_and_gives_the_same() -> None:
    calls = []
    inverse = np.linalg.inv(COVARIANCE)

    def gradient(x: np.ndarray) -> np.ndarray:
        calls.append(x)
        return 2 * inverse @ (x - BOTTOM)

    result = Minuit().fit(bowl(gradient_of=gradient, start=[5.0, 2.0, 10.0]))
    assert calls
    assert result.success, result.message
    assert result.values == pytest.approx(BOTTOM, abs=1e-3)
    assert result.covariance == pytest.approx(COVARIANCE, abs=1e-3)


@pytest.mark.parametrize(("low", "high"), [(2.0, np.inf), (2.0, 5.0), (-np.inf, 0.5)])
def test_a_minimum_beyond_a_limit_ends_at_it(low: float, high: float) -> None:
    limits = [[low, high], [-np.inf, np.inf], [-np.inf, np.inf]]
    start_values = [min(max(0.7, low), high), 0.5, 0.5]
    result = Minuit().fit(bowl(np.eye(3), limits=limits, start=start_values))
    assert result.at_limit == ("p0",)
    assert result.values[0] == pytest.approx(low if low > 1 else high, abs=1e-3)
    assert low <= result.values[0] <= high
    assert result.values[1:] == pytest.approx(BOTTOM[1:], abs=0.01)


def test_a_minimum_near_a_limit_but_inside_is_not_at_it() -> None:
    limits = [[0.9, np.inf], [-np.inf, np.inf], [-np.inf, np.inf]]
    result = Minuit().fit(bowl(np.eye(3) * 1e-4, limits=limits, start=[1.5, 0, 20]))
    assert result.success, result.message
    assert result.at_limit == ()
    assert result.values == pytest.approx(BOTTOM, abs=1e-3)


@pytest.mark.parametrize(
    "stat",
    [
        pytest.param(lambda x: (x[0] - 1) ** 2, id="a parameter without effect"),
        pytest.param(lambda x: (x[0] + x[1] - 1) ** 2, id="only the sum is known"),
        pytest.param(lambda x: (x[0] - 1) ** 2 - x[1], id="no bottom"),
        pytest.param(lambda x: (x[0] - 1) ** 2 - x[1] ** 2, id="a saddle"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_fit_without_a_minimum_does_not_succeed(stat: Callable[[np.ndarray], float]) -> None:
    result = Minuit().fit(Objective(names=["x", "y"], start=[0.5, 0.5], stat=stat))
    assert not result.success
    assert result.message


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_start_that_is_not_finite_is_refused(bad: float) -> None:
    objective = Objective(names=["x"], start=[1.0], stat=lambda x: bad)
    with pytest.raises(FitError, match=r"the fit statistic is (nan|inf) at the starting values"):
        Minuit().fit(objective)


@pytest.mark.filterwarnings("ignore")
def test_a_statistic_that_turns_nan_does_not_succeed() -> None:
    objective = Objective(
        names=["x"], start=[1.0], stat=lambda x: (x[0] - 9) ** 2 if abs(x[0] - 1) < 1 else np.nan
    )
    result = Minuit().fit(objective)
    assert not result.success
    assert result.message


def banana(x: np.ndarray) -> float:
    return float(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)


@pytest.mark.parametrize("strategy", [0, 1, 2])
def test_errors_come_from_the_second_derivatives_at_the_bottom(strategy: int) -> None:
    # MIGRAD's own estimate of them is rough, above all with strategy 0
    objective = Objective(names=["x", "y"], start=[-1.2, 1.0], stat=banana)
    result = Minuit(strategy=strategy, tolerance=1e-4).fit(objective)
    assert result.success, result.message
    hessian = np.array([[802.0, -400.0], [-400.0, 200.0]])
    assert result.covariance == pytest.approx(2 * np.linalg.inv(hessian), rel=0.02)


def test_too_few_calls_are_said_to_be_so() -> None:
    objective = Objective(names=["x", "y"], start=[-1.2, 1.0], stat=banana)
    stopped = Minuit(calls=10).fit(objective)
    assert not stopped.success
    assert "the limit on calls was reached" in stopped.message
    done = Minuit().fit(objective)
    assert done.success, done.message
    assert done.values == pytest.approx([1, 1], abs=0.01)


def test_the_objective_is_left_as_it_was() -> None:
    objective = bowl()
    start = objective.start.copy()
    Minuit().fit(objective)
    assert (objective.start == start).all()


def test_minos_is_an_option_and_off_by_default() -> None:
    assert Minuit().fit(bowl()).errn is None
    result = Minuit(minos=True).fit(bowl())
    # of a parabola both errors are its own
    assert result.errn == pytest.approx(np.sqrt(np.diag(COVARIANCE)), rel=1e-3)
    assert result.errp == pytest.approx(result.errn, rel=1e-3)


def test_minos_follows_the_statistic_where_it_is_no_parabola() -> None:
    from scipy.optimize import brentq

    stat = poisson([4])
    objective = Objective(names=["mean"], start=[5.0], stat=stat, limits=[[1e-6, np.inf]])
    result = Minuit(minos=True).fit(objective)
    low, high = (
        brentq(lambda mean: stat([mean]) - stat([4]) - 1, *ends) for ends in [(1, 4), (4, 12)]
    )
    assert result.errn == pytest.approx([4 - low], rel=2e-3)
    assert result.errp == pytest.approx([high - 4], rel=2e-3)
    assert result.errp[0] > 1.2 * result.errn[0]
    assert f"-{result.errn[0]:.2g} +{result.errp[0]:.2g}" in str(result)


def test_there_is_no_minos_where_there_is_no_minimum() -> None:
    flat = Objective(names=["x", "y"], start=[0.5, 0.5], stat=lambda x: (x[0] - 1) ** 2)
    result = Minuit(minos=True).fit(flat)
    assert not result.success
    assert result.errn is None
