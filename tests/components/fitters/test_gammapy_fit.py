"""The fitter `gammapy`: all methods of its backends on objectives with known minima."""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs
import numpy as np
import pytest

import objectives
import plain_gammapy
from component_checks import problems_of
from skyred import Objective
from skyred.components.fitters.backends import METHODS, METHODS_WITHOUT_LIMITS
from skyred.components.fitters.check_minimum import check_minimum
from skyred.components.fitters.minuit import Newton
from skyred.components.fitters.scaled import ScaledObjective
from skyred.components.gammapy import GammapyFit
from skyred.errors import FieldError, FitError

COVARIANCE = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
MINIMUM = np.array([1.0, -2.0, 30.0])
ALL_METHODS = [(backend, method) for backend in ("minuit", "scipy") for method in METHODS[backend]]
WITH_LIMITS = [
    (backend, method) for backend, method in ALL_METHODS if method not in METHODS_WITHOUT_LIMITS
]
SOME_METHODS = [("minuit", "migrad"), ("scipy", "Nelder-Mead"), ("scipy", "L-BFGS-B")]


@pytest.mark.parametrize(("backend", "method"), ALL_METHODS)
@pytest.mark.parametrize("derivatives", [True, False])
def test_covariance_of_a_quadratic_is_recovered(
    backend: str, method: str, derivatives: bool
) -> None:
    details = {} if derivatives else {"gradient_of": None, "fisher_of": None, "steps": None}
    unit = np.array([1e-13, 1.0, 1e6])  # parameters of very different scales
    objective = objectives.quadratic(COVARIANCE * np.outer(unit, unit), MINIMUM * unit, **details)
    result = GammapyFit(backend=backend, method=method).fit(objective)
    assert result.success, result.message
    assert result.message == ""
    errors = np.sqrt(np.diag(COVARIANCE)) * unit
    np.testing.assert_allclose((result.values - MINIMUM * unit) / errors, 0, atol=0.01)
    # the largest difference is 0.0115, with Powell and iminuit before 2.33
    np.testing.assert_allclose(result.covariance / np.outer(errors, errors),
                               COVARIANCE * np.outer(unit, unit) / np.outer(errors, errors),
                               atol=0.015)  # fmt: skip
    assert result.stat == objective.total(result.values)
    assert result.nfev > 0
    assert result.at_limit == ()


@pytest.mark.parametrize(("backend", "method"), WITH_LIMITS)
@pytest.mark.parametrize(("low", "high"), [(2.0, np.inf), (-np.inf, 0.5), (2.0, 5.0)])
def test_fit_stops_at_the_limit_if_the_minimum_is_outside(
    backend: str, method: str, low: float, high: float
) -> None:
    limits = np.array([[low, high], [-np.inf, np.inf], [-np.inf, np.inf]])
    evaluations = []

    def stat(x: np.ndarray) -> float:
        evaluations.append(x[0])
        return float(((x - MINIMUM) ** 2).sum())

    start = [min(max(0.7, low), high - 0.1), 0.5, 0.5]
    objective = Objective(names=["a", "b", "c"], start=start, stat=stat, limits=limits)
    result = GammapyFit(backend=backend, method=method).fit(objective)
    assert result.success, result.message
    assert result.at_limit == ("a",)
    assert result.values[0] == (low if low > 1 else high)
    np.testing.assert_allclose(result.values[1:], MINIMUM[1:], atol=0.01)
    np.testing.assert_allclose(result.errors, 1, rtol=0.01)
    assert (np.array(evaluations) >= low).all()
    assert (np.array(evaluations) <= high).all()


def test_parameters_with_limits_are_rejected_by_methods_without_limits() -> None:
    objective = objectives.quadratic(COVARIANCE, MINIMUM, limits=[[0, 9]] + [[-np.inf, np.inf]] * 2)
    with pytest.raises(
        FitError, match="BFGS does not support limits, but p0 have limits; use L-BFGS-B"
    ):
        GammapyFit(method="BFGS").fit(objective)


@pytest.mark.parametrize(("backend", "method"), SOME_METHODS)
def test_fit_of_poisson_counts_agrees_with_newton_steps(backend: str, method: str) -> None:
    signal = np.array([[1.0, 0], [10, 2], [0, 5]])
    limits = [[0, np.inf]] * 2
    objective = objectives.poisson(np.array([5.0, 30, 11]), signal, np.ones(3), limits=limits)
    expected = Newton().fit(objective)
    result = GammapyFit(backend=backend, method=method).fit(objective)
    assert result.success, result.message
    np.testing.assert_allclose((result.values - expected.values) / expected.errors, 0, atol=0.02)
    np.testing.assert_allclose(result.errors, expected.errors, rtol=0.01)


@pytest.mark.parametrize(("backend", "method"), WITH_LIMITS)
@pytest.mark.parametrize(
    ("start", "step"), [(5000.0, None), (50000.0, 5000.0), (5000.0, 1e-3), (0.0, 5e4), (1.0, 1e-4)]
)
def test_result_is_independent_of_start_and_step(
    backend: str, method: str, start: float, step: float | None
) -> None:
    # n = 3 counts, background b = 0.5: the signal is s = n - b, its error the square root of n
    objective = Objective(
        names=["s"], start=[start], limits=[[0, 1e5]],
        stat=lambda x: float(2 * (x[0] + 0.5 - 3 * np.log(x[0] + 0.5))),
        steps=None if step is None else np.array([step]),
    )  # fmt: skip
    result = GammapyFit(backend=backend, method=method).fit(objective)
    assert result.success, result.message
    assert result.values[0] == pytest.approx(2.5, abs=0.01)
    assert result.errors[0] == pytest.approx(np.sqrt(3), rel=0.01)
    assert result.at_limit == ()


def test_limit_is_not_a_minimum_if_the_statistic_decreases_inwards() -> None:
    # the minimum is 2e-3 inside the limits, and the step is 1
    stat = lambda x: float(((x[0] - 2e-3) / 1e-3) ** 2)  # noqa: E731
    limits = [[0, np.inf]]
    objective = Objective(names=["s"], start=[0], stat=stat, limits=limits, steps=np.ones(1))
    minimum_check = check_minimum(ScaledObjective(objective), np.zeros(1))
    assert (
        minimum_check.message == "stopped at the limit of s, where the statistic decreases inwards"
    )
    result = GammapyFit().fit(objective)
    assert result.success, result.message
    assert result.values[0] == pytest.approx(2e-3, abs=1e-5)


@pytest.mark.parametrize("start", [1e-9, 1e-8, 1e-7])
@pytest.mark.parametrize(("backend", "method"), WITH_LIMITS)
def test_positive_flux_is_fitted_from_a_start_that_is_far_too_high(
    backend: str, method: str, start: float
) -> None:
    # counts of a source of about 4e-11 cm-2 s-1 TeV-1 in three bins
    counts, background = np.array([60.0, 20.0, 5.0]), np.array([20.0, 8.0, 2.0])
    signal = np.array([[1.2e12], [5e11], [1.5e11]])
    objective = objectives.poisson(counts, signal, background, limits=[[0, np.inf]])
    expected = Newton().fit(objective)
    objective = attrs.evolve(objective, start=[start], steps=np.array([start]))
    result = GammapyFit(backend=backend, method=method).fit(objective)
    assert result.success, result.message
    assert abs(result.values - expected.values) < 0.01 * expected.errors
    np.testing.assert_allclose(result.errors, expected.errors, rtol=0.01)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("backend", "method"),
    [backend_method for backend_method in ALL_METHODS if backend_method[1] != "CG"],
)
@pytest.mark.parametrize(
    "stat",
    [
        pytest.param(lambda x: (x[0] - 1) ** 2, id="parameter without effect"),
        pytest.param(lambda x: (x[0] + x[1] - 1) ** 2, id="degenerate"),
        pytest.param(lambda x: (x[0] - 1) ** 2 - x[1], id="unbounded"),
        pytest.param(lambda x: (x[0] - 1) ** 2 - x[1] ** 2, id="saddle"),
    ],
)
def test_fit_without_a_minimum_fails(
    backend: str, method: str, stat: Callable[[np.ndarray], float]
) -> None:
    # CG is excluded, because it iterates for seconds while it diverges
    objective = Objective(names=["x", "y"], start=[0.5, 0.5], stat=stat)
    result = GammapyFit(backend=backend, method=method).fit(objective)
    assert not result.success
    assert result.message


def test_fit_fails_at_the_limit_on_iterations() -> None:
    result = GammapyFit(options={"maxiter": 5}).fit(objectives.quadratic(COVARIANCE, MINIMUM))
    assert not result.success
    assert "scipy's Nelder-Mead did not converge: Maximum number of iterations" in result.message


def test_minimum_reported_by_a_method_is_verified() -> None:
    # with this tolerance scipy reports convergence at the start
    result = GammapyFit(tolerance=1e9).fit(objectives.quadratic(COVARIANCE, MINIMUM))
    assert not result.success
    # with iminuit before 2.33 the message is that the covariance is not valid
    assert re.search("above its minimum|covariance is not valid", result.message)


def test_lower_minimum_next_to_a_non_differentiable_point_is_reached() -> None:
    def stat(x: np.ndarray) -> float:
        # two minima, one lower by 0.05, with a non-differentiable point between them
        return float(min((x[0] - 0.3) ** 2, x[0] ** 2 + 0.05))

    result = GammapyFit().fit(Objective(names=["x"], start=[-1.0], stat=stat, steps=np.ones(1)))
    assert result.success, result.message
    assert result.values[0] == pytest.approx(0.3, abs=0.01)


def test_start_with_a_non_finite_statistic_is_rejected() -> None:
    objective = Objective(names=["x"], start=[1.0], stat=lambda x: np.nan)
    with pytest.raises(FitError, match="the fit statistic is nan at the starting values"):
        GammapyFit().fit(objective)


def test_method_of_another_backend_is_rejected() -> None:
    with pytest.raises(FieldError, match="minuit has no method 'Powell'; available: migrad"):
        GammapyFit(backend="minuit", method="Powell")


def test_missing_sherpa_is_reported_by_the_check_and_by_the_fit() -> None:
    fitter = GammapyFit(backend="sherpa")
    if not fitter._is_missing():
        pytest.skip("sherpa is installed")
    (problem,) = problems_of(fitter)
    assert "skyred[sherpa]" in problem.expected
    with pytest.raises(FitError, match=r"pip install \"skyred\[sherpa\]\""):
        fitter.fit(objectives.quadratic(COVARIANCE, MINIMUM))


@pytest.mark.data
@pytest.mark.parametrize(("backend", "method"), SOME_METHODS)
def test_fit_of_the_crab_agrees_with_newton_steps(
    backend: str, method: str, plain_reduction: plain_gammapy.Reduced
) -> None:
    from gammapy.datasets import Datasets

    from skyred.likelihood import objective_of

    def objective() -> Objective:
        datasets = Datasets([plain_reduction.dataset.copy(name="hess")])
        datasets.models = plain_gammapy.models("hess")
        return objective_of(datasets)

    expected = Newton().fit(objective())
    result = GammapyFit(backend=backend, method=method).fit(objective())
    assert result.success, result.message
    np.testing.assert_allclose((result.values - expected.values) / expected.errors, 0, atol=0.02)
    # the declination is 0.1 sigma from a pixel centre, where it has no second derivative
    smooth = np.array([not name.endswith("lat_0") for name in result.names])
    np.testing.assert_allclose(result.errors[smooth], expected.errors[smooth], rtol=0.01)
    np.testing.assert_allclose(result.errors[~smooth], expected.errors[~smooth], rtol=0.15)
