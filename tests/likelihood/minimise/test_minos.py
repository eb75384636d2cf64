"""Asymmetric errors where profiles reach a lower minimum, for an objective with two minima.

The statistic along x is a polynomial of fourth degree with minima at 0 and 2.2, and a barrier at 1,
which is less than 1 above the first minimum, so that a profile crosses it.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest

from objectives import quadratic
from skyred import FitResult, Objective
from skyred.likelihood.minimise import minimise
from skyred.likelihood.minimise.minos import RESTARTS, add_asymmetric_errors

LOWER_MINIMUM = 2.2  # position of the lower minimum
NO_DERIVATIVES = {"gradient_of": None, "fisher_of": None}
DERIVATIVES = pytest.mark.parametrize(
    "overrides", [pytest.param({}, id="both"), pytest.param(NO_DERIVATIVES, id="none")]
)
# the derivative is 2.5 x (x - 1) (x - LOWER_MINIMUM)
POLYNOMIAL = np.polynomial.Polynomial.fromroots([0, 1, LOWER_MINIMUM]).integ() * 2.5
SLOPE, CURVATURE = POLYNOMIAL.deriv(), POLYNOMIAL.deriv(2)


def two_minima(start: float, tilt: float = 0.5, **overrides: Any) -> Objective:
    """Return an objective with two minima along x; the best-fit y is ``tilt x``, with error 0.2."""

    def deviation(x: np.ndarray) -> float:
        return float((x[1] - tilt * x[0]) / 0.2)

    def gradient(x: np.ndarray) -> np.ndarray:
        slope = 2 * deviation(x) / 0.2
        return np.array([SLOPE(x[0]) - tilt * slope, slope])

    def fisher(x: np.ndarray) -> np.ndarray:
        line = np.array([-tilt, 1.0]) / 0.2
        along_x = np.diag([max(CURVATURE(x[0]), 0.5), 0])
        return along_x + 2 * np.outer(line, line)

    defaults = {
        "names": ["x", "y"],
        "start": [start, tilt * start],
        "stat": lambda x: float(POLYNOMIAL(x[0]) + deviation(x) ** 2),
        "gradient_of": gradient,
        "fisher_of": fisher,
    }
    return Objective(**{**defaults, **overrides})


def crossings(minimum: float) -> tuple[float, float]:
    """Return the nearest values on both sides where the polynomial is 1 above a minimum."""
    roots = (POLYNOMIAL - POLYNOMIAL(minimum) - 1).roots()
    real = roots[np.abs(roots.imag) < 1e-9].real
    return float(real[real < minimum].max()), float(real[real > minimum].min())


@DERIVATIVES
def test_fit_without_minos_ends_in_the_nearest_minimum(overrides: dict[str, Any]) -> None:
    result = minimise(two_minima(0.05, **overrides))
    assert result.success, result.message
    assert result.values == pytest.approx([0, 0], abs=0.005)
    assert result.stat == pytest.approx(0, abs=1e-4)


@DERIVATIVES
def test_minos_restarts_the_fit_from_a_lower_minimum(overrides: dict[str, Any]) -> None:
    result = minimise(two_minima(0.05, **overrides), minos=True)
    assert result.success, result.message
    assert result.values == pytest.approx([LOWER_MINIMUM, LOWER_MINIMUM / 2], abs=0.005)
    assert result.stat == pytest.approx(POLYNOMIAL(LOWER_MINIMUM), abs=1e-4)
    expected = np.sqrt(2 / CURVATURE(LOWER_MINIMUM))
    assert result.errors[0] == pytest.approx(expected, rel=0.02)
    difference = -POLYNOMIAL(LOWER_MINIMUM)
    note = (
        f"MINOS found a minimum that is lower by {difference:.2g}: the fit was restarted from there"
    )
    assert result.notes.count(note) == 1


@DERIVATIVES
def test_asymmetric_errors_are_computed_at_the_lower_minimum(overrides: dict[str, Any]) -> None:
    result = minimise(two_minima(0.05, **overrides), minos=True)
    low, high = crossings(LOWER_MINIMUM)
    assert result.errn[0] == pytest.approx(LOWER_MINIMUM - low, rel=2e-3)
    assert result.errp[0] == pytest.approx(high - LOWER_MINIMUM, rel=2e-3)


def test_no_note_is_added_if_no_value_is_lower() -> None:
    result = minimise(two_minima(LOWER_MINIMUM), minos=True)
    low, high = crossings(LOWER_MINIMUM)
    assert result.errn[0] == pytest.approx(LOWER_MINIMUM - low, rel=2e-3)
    assert result.errp[0] == pytest.approx(high - LOWER_MINIMUM, rel=2e-3)
    assert not any(note.startswith("MINOS") for note in result.notes)


def test_lower_minimum_in_another_parameter_is_reached() -> None:
    """Check that the profile of y, which depends on x, crosses the barrier of x."""
    first = minimise(two_minima(0.05))
    assert first.success
    result = minimise(two_minima(0.05, tilt=-2.0), minos=True)
    assert result.values == pytest.approx([LOWER_MINIMUM, -2 * LOWER_MINIMUM], abs=0.01)


def test_calls_of_all_fits_are_counted() -> None:
    single = minimise(two_minima(LOWER_MINIMUM))
    restarted = minimise(two_minima(0.05), minos=True)
    assert restarted.nfev > single.nfev


OBJECTIVE = quadratic([[1.0]], [0.0])


def fit_of_parabola(minimum: float, stat: float, **overrides: Any) -> FitResult:
    """Return the fit of a parabola with variance 1, with another statistic and other fields."""
    result = minimise(quadratic([[1.0]], [minimum]))
    return attrs.evolve(result, stat=stat, **overrides)


def test_failed_second_fit_is_a_failure() -> None:
    first = fit_of_parabola(0.0, 3.0)  # above the minimum of 0, so that profiles reach lower values
    failed = fit_of_parabola(0.0, 0.0, success=False, message="it diverges")
    result = add_asymmetric_errors(OBJECTIVE, first, lambda objective: failed, 0.1)
    assert not result.success
    assert result.message == "it diverges"
    assert any(note.startswith("MINOS found a minimum that is lower") for note in result.notes)


def test_second_fit_without_lower_statistic_is_ignored() -> None:
    first = fit_of_parabola(0.0, 2.0)
    refreshed = []
    objective = attrs.evolve(OBJECTIVE, refresh=lambda x: refreshed.append(x) or False)
    result = add_asymmetric_errors(objective, first, lambda objective: first, 0.1)
    assert result.success
    assert np.array_equal(result.values, first.values)
    assert result.errp == pytest.approx([np.sqrt(3)], rel=2e-3)
    assert not any(note.startswith("MINOS") for note in result.notes)
    assert np.array_equal(refreshed, [first.values])  # the IRFs are those of the result


def test_lower_values_after_all_new_fits_are_a_failure() -> None:
    stats = iter(np.arange(10, 0, -1.0))
    first = fit_of_parabola(0.0, 11.0)
    searches = []

    def search(objective: Objective) -> FitResult:
        searches.append(objective.start)
        return fit_of_parabola(0.0, next(stats))

    result = add_asymmetric_errors(OBJECTIVE, first, search, 0.1)
    assert len(searches) == RESTARTS
    assert not result.success
    assert result.message == "not converged: MINOS still finds lower values after 3 new fits"
    assert result.errn is None
