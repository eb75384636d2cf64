"""Errors from profiles, for the parameters that are correlated with those of sharp sources.

The statistic of sources with sharp edges has many minima, and a profile passes along the lowest of
them. The profile of an amplitude is therefore wider than the covariance of samples implies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional import conditional
from skyred.likelihood.minimise.sharp_search import SharpSearch
from skyred.likelihood.minimise.sharp_sources import sharp_indices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpSource
    from skyred.likelihood.minimise.search_result import SearchResult

    Array = NDArray[np.float64]

MIN_FRACTION = 0.005  # of the variance that follows from the parameters of sharp sources
TOLERANCE = 1e-4  # of a point of a profile, in the statistic
MIN_RISE, MAX_RISE = 0.25, 4.0  # after one error: outside, the profile is no parabola


def with_profile_errors(
    objective: Objective, end: SearchResult, sources: Sequence[SharpSource]
) -> SearchResult:
    """Return the result of a search with errors from profiles.

    Parameters
    ----------
    objective : Objective
        The objective, with derivatives and `sharp`.
    end : SearchResult
        The minimum, with the covariance of samples.
    sources : sequence of SharpSource
        The sources with sharp edges, at least one.

    Returns
    -------
    SearchResult
        The same minimum. The errors of parameters that are correlated with those of the sources are
        the means of both sides of their profiles; correlations are unchanged.
    """
    if end.message or not np.isfinite(end.covariance).all():
        return end
    factors, calls = np.ones(len(end.values)), end.calls
    for index in _correlated_indices(end.covariance, sources):
        lengths = []
        for side in (-1.0, 1.0):
            rise, number = _rise(objective, end, index, side)
            calls += number
            lengths.append(1 / np.sqrt(rise) if MIN_RISE < rise < MAX_RISE else np.nan)
        if np.isfinite(lengths).all():
            factors[index] = np.mean(lengths)
    covariance = end.covariance * np.outer(factors, factors)
    return attrs.evolve(end, covariance=covariance, calls=calls)


def _correlated_indices(covariance: Array, sources: Sequence[SharpSource]) -> list[int]:
    """Return the other parameters whose variance follows partly from that of the sources."""
    sharp = sharp_indices(sources)
    others = np.setdiff1d(np.arange(len(covariance)), sharp)
    cross = covariance[np.ix_(others, sharp)]
    inverse = np.linalg.pinv(covariance[np.ix_(sharp, sharp)], hermitian=True)
    explained = np.einsum("ij,jk,ik->i", cross, inverse, cross)
    is_correlated = explained > MIN_FRACTION * np.diag(covariance)[others]
    return [int(index) for index in others[is_correlated]]


def _rise(objective: Objective, end: SearchResult, index: int, side: float) -> tuple[float, int]:
    """Return the rise of a profile after one error, and the number of calls."""
    shift = side * end.errors[index]
    start = end.values + end.covariance[:, index] / end.covariance[index, index] * shift
    low, high = objective.limits[index]
    if not low <= start[index] <= high:
        return np.nan, 0
    start = np.clip(start, *objective.limits.T)
    free = np.delete(np.arange(len(start)), index)
    fixed_objective = conditional(objective, free, start)
    sources = fixed_objective.sharp(start[free]) if fixed_objective.sharp else ()
    if not sources:  # without a sharp edge at these values
        return np.nan, 0
    search = SharpSearch(fixed_objective, TOLERANCE)
    x = search.update(start[free], sources)
    return fixed_objective.total(x) - objective.total(end.values), search.calls
