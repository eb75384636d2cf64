"""Errors from profiles, for sources with sharp edges, agree with exact solutions."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from skyred.interfaces.objective import Objective, SharpSource
from skyred.likelihood.minimise.search_result import SearchResult
from skyred.likelihood.minimise.sharp_errors import with_profile_errors

NAMES = ("amplitude", "lon_0", "lat_0", "norm")
COVARIANCE = np.array(
    [
        [4.0, 0.6, 0.3, 0.0],
        [0.6, 1.0, 0.2, 0.0],
        [0.3, 0.2, 1.0, 0.0],
        [0.0, 0.0, 0.0, 0.25],
    ]
)
FISHER = 2 * np.linalg.inv(COVARIANCE)
SOURCE = SharpSource(
    name="disk", indices=np.array([1, 2]), pixels=np.ones(2), sizes=np.array([], int),
    related=np.arange(3),
)  # fmt: skip


def parabola(sources: list[SharpSource]) -> Objective:
    """Return a parabola with `COVARIANCE`, and sources that are sharp everywhere."""
    return Objective(
        names=NAMES,
        units=[""] * 4,
        start=np.zeros(4),
        stat=lambda x: 100 + 0.5 * float(x @ FISHER @ x),
        gradient_of=lambda x: FISHER @ x,
        fisher_of=lambda x: FISHER,
        sharp=lambda x: sources,
    )


def search_result(factors: np.ndarray) -> SearchResult:
    """Return the minimum, with errors that are wrong by the factors."""
    return SearchResult(np.zeros(4), COVARIANCE * np.outer(factors, factors), 0.0, 10, "")


@pytest.mark.parametrize("factor", [0.8, 1.1])
def test_error_of_a_correlated_amplitude_is_that_of_the_profile(factor: float) -> None:
    factors = np.array([factor, 1, 1, 1])
    result, lower = with_profile_errors(parabola([SOURCE]), search_result(factors), [SOURCE])
    # the profile is accurate to 5e-3 in the statistic, which is 0.25 % of an error
    np.testing.assert_allclose(result.errors, np.sqrt(np.diag(COVARIANCE)), rtol=4e-3)
    correlation = result.covariance / np.outer(result.errors, result.errors)
    expected = COVARIANCE / np.sqrt(np.outer(np.diag(COVARIANCE), np.diag(COVARIANCE)))
    np.testing.assert_allclose(correlation, expected, rtol=1e-9)
    assert result.calls > 10
    assert lower is None


def test_errors_of_uncorrelated_parameters_are_unchanged() -> None:
    factors = np.array([1, 1.2, 1.2, 0.7])
    result, lower = with_profile_errors(parabola([SOURCE]), search_result(factors), [SOURCE])
    expected = factors * np.sqrt(np.diag(COVARIANCE))
    np.testing.assert_allclose(result.errors[1:], expected[1:], rtol=1e-12)
    assert lower is None


def test_errors_are_unchanged_if_no_source_is_sharp_near_the_minimum() -> None:
    minimum = search_result(np.array([0.8, 1, 1, 1]))
    result, lower = with_profile_errors(parabola([]), minimum, [SOURCE])
    np.testing.assert_array_equal(result.covariance, minimum.covariance)
    assert lower is None


def test_errors_are_unchanged_if_the_profile_reaches_a_limit() -> None:
    minimum = search_result(np.array([0.8, 1, 1, 1]))
    limits = np.array([[-0.1, np.inf], *[[-np.inf, np.inf]] * 3])
    objective = attrs.evolve(parabola([SOURCE]), limits=limits)
    result, lower = with_profile_errors(objective, minimum, [SOURCE])
    np.testing.assert_array_equal(result.covariance, minimum.covariance)
    assert lower is None


def test_search_without_success_is_unchanged() -> None:
    minimum = attrs.evolve(search_result(np.ones(4)), message="no minimum")
    result, lower = with_profile_errors(parabola([SOURCE]), minimum, [SOURCE])
    assert result is minimum
    assert lower is None


def test_lower_point_of_a_profile_is_returned() -> None:
    """Start above the minimum; the profile of the amplitude reaches lower values."""
    values = np.array([1.5, 0.0, 0.0, 0.0])
    above = attrs.evolve(search_result(np.ones(4)), values=values)
    result, lower = with_profile_errors(parabola([SOURCE]), above, [SOURCE])
    assert result.values is values
    assert lower is not None
    # one error (2.0) below the start, conditional on the amplitude: (-0.5 / 2)**2 above the minimum
    assert parabola([]).total(lower) == pytest.approx(100 + 0.25**2, abs=6e-3)
