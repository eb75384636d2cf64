"""Errors from profiles, for sources with sharp edges, agree with exact solutions."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from skyred.interfaces.objective import Objective, SharpEdgedSource
from skyred.likelihood.minimise import search
from skyred.likelihood.minimise.profile_errors import with_profile_errors
from skyred.likelihood.minimise.search_result import SearchResult

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
SOURCE = SharpEdgedSource(
    name="disk", indices=np.array([1, 2]), pixels=np.ones(2), sizes=np.array([], int),
    related=np.arange(3),
)  # fmt: skip


def parabola(sources: list[SharpEdgedSource]) -> Objective:
    """Return a parabola with `COVARIANCE`; for all parameter values, `sources` have sharp edges."""
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
    """Return the minimum, with each error multiplied by its factor."""
    return SearchResult(np.zeros(4), COVARIANCE * np.outer(factors, factors), 0.0, 10, "")


@pytest.mark.parametrize("factor", [0.8, 1.1])
def test_error_of_a_correlated_amplitude_is_computed_from_the_profile(factor: float) -> None:
    factors = np.array([factor, 1, 1, 1])
    result, lower = with_profile_errors(parabola([SOURCE]), search_result(factors), [SOURCE])
    # the profile is accurate to 5e-3 in the statistic, which is 0.25 % of the error
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


def test_errors_are_unchanged_if_no_source_has_sharp_edges_near_the_minimum() -> None:
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


def test_result_of_a_failed_search_is_unchanged() -> None:
    minimum = attrs.evolve(search_result(np.ones(4)), message="no minimum")
    result, lower = with_profile_errors(parabola([SOURCE]), minimum, [SOURCE])
    assert result is minimum
    assert lower is None


def test_lower_point_of_a_profile_is_returned() -> None:
    """Start above the minimum; the profile of the amplitude reaches lower values."""
    values = np.array([1.5, 0.0, 0.0, 0.0])
    start = attrs.evolve(search_result(np.ones(4)), values=values)
    result, lower = with_profile_errors(parabola([SOURCE]), start, [SOURCE])
    assert result.values is values
    assert lower is not None
    # the profile at an amplitude of 1.5 - 2.0 = -0.5 is higher than the minimum by (-0.5 / 2)**2
    assert parabola([]).total(lower) == pytest.approx(100 + 0.25**2, abs=6e-3)


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_profile_that_disagrees_with_the_error_is_noted(factor: float) -> None:
    """At 1 sigma, the statistic is higher by 0.16 or 6.25, and not by about 1."""
    minimum = search_result(np.array([factor, 1, 1, 1]))
    result, lower = with_profile_errors(parabola([SOURCE]), minimum, [SOURCE])
    np.testing.assert_array_equal(result.covariance, minimum.covariance)
    assert lower is None
    (note,) = result.notes
    assert note == "the profile of amplitude is not parabolic: use minos for asymmetric errors"


def results(*stats: float) -> list[tuple[SearchResult, np.ndarray | None]]:
    """Return results of searches, each with a point that has a lower statistic.

    Their statistics exceed the minimum, 100, by `stats`.
    """
    searches = []
    for stat in stats:
        values = np.array([np.sqrt(stat / np.linalg.inv(COVARIANCE)[0, 0]), 0, 0, 0])
        searches.append((attrs.evolve(search_result(np.ones(4)), values=values), values / 2))
    return searches


def run_searches(
    monkeypatch: pytest.MonkeyPatch, searches: list[tuple[SearchResult, np.ndarray | None]]
) -> tuple[SearchResult, list[np.ndarray], list[np.ndarray]]:
    """Return the result of consecutive searches, their starts, and the arguments of refresh."""
    starts: list[np.ndarray] = []
    refreshed: list[np.ndarray] = []
    queue = iter(searches)

    def search_with_profiles(
        objective: Objective, target_edm: float, x: np.ndarray, sources: list[SharpEdgedSource]
    ) -> tuple[SearchResult, np.ndarray | None]:
        del objective, target_edm, sources
        starts.append(x)
        return next(queue)

    monkeypatch.setattr(search, "_search_with_profiles", search_with_profiles)
    objective = attrs.evolve(parabola([SOURCE]), refresh=refreshed.append)
    result = search._search_sharp_edges(objective, 1e-4, np.ones(4), [SOURCE])
    return result, starts, refreshed


def test_search_restarts_from_lower_points(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = results(4, 1)
    result, starts, _ = run_searches(monkeypatch, [first, (second[0], None)])
    np.testing.assert_array_equal(starts, [np.ones(4), first[1]])
    assert result.values is second[0].values
    assert result.message == ""
    assert result.calls == first[0].calls + second[0].calls


def test_point_that_is_lower_only_with_other_irfs_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = results(1, 4)
    result, starts, refreshed = run_searches(monkeypatch, [first, second])
    assert len(starts) == 2
    assert result.values is first[0].values
    np.testing.assert_array_equal(refreshed, [first[0].values])
    assert result.message == ""


def test_search_fails_after_too_many_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    result, starts, _ = run_searches(monkeypatch, results(5, 4, 3, 2))
    assert len(starts) == 1 + search.SHARP_EDGE_RESTARTS
    assert result.message == (
        "not converged: the likelihood profiles still fall below the minimum after 3 restarts"
    )
