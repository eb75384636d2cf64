"""The fitter `minuit` on objectives with known minima."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from skyred import Objective
from skyred.components.fitters.minuit import Minuit, Newton
from skyred.errors import FieldError, FitError

COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
MINIMUM = np.array([1.0, -2.0, 30.0])


def quadratic(
    covariance: np.ndarray = COVARIANCE, minimum: np.ndarray = MINIMUM, **details: Any
) -> Objective:
    """Return a quadratic -2 log L with this covariance and minimum."""
    inverse = np.linalg.inv(covariance)
    names = [f"p{i}" for i in range(len(minimum))]

    def stat(x: np.ndarray) -> float:
        return float((x - minimum) @ inverse @ (x - minimum)) + 7.0

    return Objective(
        **{"names": names, "start": np.ones(len(minimum)) * 0.5, "stat": stat, **details}
    )


def test_covariance_of_a_quadratic_is_recovered() -> None:
    result = Minuit().fit(quadratic())
    assert result.success, result.message
    assert result.message == ""
    assert result.values == pytest.approx(MINIMUM, abs=1e-3)
    assert result.covariance == pytest.approx(COVARIANCE, abs=1e-3)
    assert result.errors == pytest.approx(np.sqrt(np.diag(COVARIANCE)), rel=1e-3)
    assert result.stat == pytest.approx(7.0, abs=1e-4)
    assert 0 <= result.edm < 1e-4
    assert result.nfev > 0
    assert result.at_limit == ()


def test_stat_of_the_result_is_that_of_the_objective() -> None:
    objective = quadratic()
    result = Minuit().fit(objective)
    assert result.stat == objective.total(result.values)
    assert result.names == objective.names


@pytest.mark.parametrize("unit", [1e-13, 1e-6, 1e9])
def test_parameters_of_any_scale_are_fitted(unit: float) -> None:
    scale = np.array([unit, 1.0, 1.0])
    result = Minuit().fit(
        quadratic(COVARIANCE * np.outer(scale, scale), MINIMUM * scale, start=[3 * unit, 1, 10])
    )
    assert result.success, result.message
    errors = np.sqrt(np.diag(COVARIANCE))
    # MIGRAD stops within a small fraction of the error, which depends on the version of iminuit
    assert (result.values / scale - MINIMUM) / errors == pytest.approx(0, abs=5e-3)
    assert result.errors / scale == pytest.approx(errors, rel=1e-3)


def test_start_at_zero_without_steps_converges() -> None:
    result = Minuit().fit(quadratic(start=np.zeros(3)))
    assert result.success, result.message
    assert result.values == pytest.approx(MINIMUM, abs=1e-3)


def poisson(counts: list[int]) -> Callable[[np.ndarray], float]:
    """Return -2 log L of Poisson counts as a function of their common mean."""
    total, n_bins = sum(counts), len(counts)
    return lambda x: float(2 * (n_bins * x[0] - total * np.log(x[0])))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 500), min_size=1, max_size=8).filter(lambda n: sum(n) > 20))
def test_poisson_mean_has_the_analytic_error(counts: list[int]) -> None:
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


def test_priors_are_minimised_with_the_statistic() -> None:
    objective = Objective(
        names=["x"], start=[0.5], stat=lambda x: (x[0] - 1) ** 2, prior=lambda x: (x[0] - 3) ** 2
    )
    result = Minuit().fit(objective)
    assert result.values[0] == pytest.approx(2, abs=1e-3)
    assert result.errors[0] == pytest.approx(np.sqrt(0.5), rel=1e-3)
    assert result.stat == pytest.approx(2, abs=1e-3)


def test_gradient_is_used_and_gives_the_same_result() -> None:
    calls = []
    inverse = np.linalg.inv(COVARIANCE)

    def gradient(x: np.ndarray) -> np.ndarray:
        calls.append(x)
        return 2 * inverse @ (x - MINIMUM)

    result = Minuit().fit(quadratic(gradient_of=gradient, start=[5.0, 2.0, 10.0]))
    assert calls
    assert result.success, result.message
    assert result.values == pytest.approx(MINIMUM, abs=1e-3)
    assert result.covariance == pytest.approx(COVARIANCE, abs=1e-3)


@pytest.mark.parametrize(("low", "high"), [(2.0, np.inf), (2.0, 5.0), (-np.inf, 0.5)])
def test_fit_stops_at_the_limit_if_the_minimum_is_outside(low: float, high: float) -> None:
    limits = [[low, high], [-np.inf, np.inf], [-np.inf, np.inf]]
    start_values = [min(max(0.7, low), high), 0.5, 0.5]
    result = Minuit().fit(quadratic(np.eye(3), limits=limits, start=start_values))
    assert result.at_limit == ("p0",)
    assert result.values[0] == pytest.approx(low if low > 1 else high, abs=1e-3)
    assert low <= result.values[0] <= high
    assert result.values[1:] == pytest.approx(MINIMUM[1:], abs=0.01)


def test_minimum_close_to_a_limit_is_not_at_the_limit() -> None:
    limits = [[0.9, np.inf], [-np.inf, np.inf], [-np.inf, np.inf]]
    result = Minuit().fit(quadratic(np.eye(3) * 1e-4, limits=limits, start=[1.5, 0, 20]))
    assert result.success, result.message
    assert result.at_limit == ()
    assert result.values == pytest.approx(MINIMUM, abs=1e-3)


@pytest.mark.parametrize(
    "stat",
    [
        pytest.param(lambda x: (x[0] - 1) ** 2, id="parameter without effect"),
        pytest.param(lambda x: (x[0] + x[1] - 1) ** 2, id="degenerate"),
        pytest.param(lambda x: (x[0] - 1) ** 2 - x[1], id="unbounded"),
        pytest.param(lambda x: (x[0] - 1) ** 2 - x[1] ** 2, id="saddle"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_fit_without_a_minimum_fails(stat: Callable[[np.ndarray], float]) -> None:
    result = Minuit().fit(Objective(names=["x", "y"], start=[0.5, 0.5], stat=stat))
    assert not result.success
    assert result.message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_start_with_a_non_finite_statistic_is_rejected(value: float) -> None:
    objective = Objective(names=["x"], start=[1.0], stat=lambda x: value)
    with pytest.raises(FitError, match=r"the fit statistic is (nan|inf) at the starting values"):
        Minuit().fit(objective)


@pytest.mark.filterwarnings("ignore")
def test_fit_fails_if_the_statistic_becomes_nan() -> None:
    objective = Objective(
        names=["x"], start=[1.0], stat=lambda x: (x[0] - 9) ** 2 if abs(x[0] - 1) < 1 else np.nan
    )
    result = Minuit().fit(objective)
    assert not result.success
    assert result.message


def rosenbrock(x: np.ndarray) -> float:
    return float(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)


@pytest.mark.parametrize("strategy", [0, 1, 2])
def test_errors_are_computed_from_second_derivatives_at_the_minimum(strategy: int) -> None:
    # MIGRAD's own estimate is imprecise, especially with strategy 0
    objective = Objective(names=["x", "y"], start=[-1.2, 1.0], stat=rosenbrock)
    result = Minuit(strategy=strategy, tolerance=1e-4).fit(objective)
    assert result.success, result.message
    hessian = np.array([[802.0, -400.0], [-400.0, 200.0]])
    assert result.covariance == pytest.approx(2 * np.linalg.inv(hessian), rel=0.02)


def test_limit_on_calls_is_reported() -> None:
    objective = Objective(names=["x", "y"], start=[-1.2, 1.0], stat=rosenbrock)
    result = Minuit(calls=10).fit(objective)
    assert not result.success
    assert "the limit on calls was reached" in result.message
    result = Minuit().fit(objective)
    assert result.success, result.message
    assert result.values == pytest.approx([1, 1], abs=0.01)


def test_objective_is_not_changed() -> None:
    objective = quadratic()
    start = objective.start.copy()
    Minuit().fit(objective)
    assert (objective.start == start).all()


def test_minos_is_an_option_and_off_by_default() -> None:
    assert Minuit().fit(quadratic()).errn is None
    result = Minuit(minos=True).fit(quadratic())
    # on a parabola the asymmetric errors are equal to the symmetric error
    assert result.errn == pytest.approx(np.sqrt(np.diag(COVARIANCE)), rel=1e-3)
    assert result.errp == pytest.approx(result.errn, rel=1e-3)


def test_minos_errors_of_a_skewed_likelihood_are_asymmetric() -> None:
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


def test_minos_is_skipped_without_a_minimum() -> None:
    # y has no effect
    objective = Objective(names=["x", "y"], start=[0.5, 0.5], stat=lambda x: (x[0] - 1) ** 2)
    result = Minuit(minos=True).fit(objective)
    assert not result.success
    assert result.errn is None


@pytest.mark.parametrize("cls", [Newton, Minuit])
def test_minos_errors_at_another_level_agree_with_iminuit(cls: Any) -> None:
    from iminuit import Minuit as IMinuit

    def stat(x: Any) -> float:
        return float(2 * (x[0] - 5 * np.log(x[0])) + (x[1] - x[0]) ** 2)

    objective = Objective(names=("a", "b"), start=[4, 3], stat=stat, limits=[(0.1, 50), (-50, 50)])
    result = cls(minos=True, n_sigma=2, minos_parameters=["a*"]).fit(objective)
    minuit = IMinuit(stat, np.array([4.0, 3.0]), name=("a", "b"))
    minuit.limits = [(0.1, 50), (-50, 50)]
    minuit.errordef, minuit.tol = 1, 1e-4
    minuit.migrad()
    minuit.minos("a", cl=2)
    assert result.errp[0] == pytest.approx(minuit.merrors["a"].upper, rel=5e-3)
    assert result.errn[0] == pytest.approx(-minuit.merrors["a"].lower, rel=5e-3)
    for value in result.values[0] + np.array(
        [-result.errn[0], result.errp[0]]
    ):  # b = a along the profile
        rise = 2 * (value - 5 * np.log(value)) - 2 * (5 - 5 * np.log(5))
        assert rise == pytest.approx(4, rel=2e-3)
    assert np.isnan([result.errn[1], result.errp[1]]).all()
    assert result.to_dict()["n_sigma"] == 2
    for content in (str(result), result.html()):
        assert "asymmetric errors: 2 sigma (95.45% confidence)" in str(content)


def test_options_of_asymmetric_errors_need_minos() -> None:
    with pytest.raises(FieldError, match=r"n_sigma: has no effect.*set minos: true"):
        Newton(n_sigma=2)


def test_unknown_parameter_with_asymmetric_errors_is_a_note() -> None:
    result = Minuit(minos=True, minos_parameters=["x", "none"]).fit(quadratic())
    assert any("no asymmetric errors for" in note for note in result.notes)
