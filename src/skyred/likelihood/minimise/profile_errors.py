"""Errors from profiles, for parameters that are correlated with those of sources with sharp edges.

The statistic has many minima along the parameters of these sources, and the profile of another
parameter follows the lowest of them. The profile of an amplitude is therefore wider than the
covariance of samples implies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional import conditional_objective
from skyred.likelihood.minimise.sharp_edge_search import SharpEdgeSearch
from skyred.likelihood.minimise.sharp_edge_simplex import SAME_MINIMUM
from skyred.likelihood.minimise.sharp_edged_sources import spatial_indices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpEdgedSource
    from skyred.likelihood.minimise.search_result import SearchResult

    Array = NDArray[np.float64]

MIN_FRACTION = 0.005  # minimum fraction of a variance that is due to sources with sharp edges
TOLERANCE = 1e-4  # in the statistic, of the smooth parameters at a point of a profile
MIN_RISE, MAX_RISE = 0.25, 4.0  # at a shift of one error; the profile is otherwise not parabolic


def with_profile_errors(
    objective: Objective,
    result: SearchResult,
    sources: Sequence[SharpEdgedSource],
    *,
    restart: bool = True,
) -> tuple[SearchResult, Array | None]:
    """Return the result of a search with errors from profiles, if these are parabolic.

    Parameters
    ----------
    objective : Objective
        The objective, with derivatives and `sharp`.
    result : SearchResult
        The minimum, with the covariance of samples.
    sources : sequence of SharpEdgedSource
        The sources with sharp edges, at least one.
    restart : bool
        Whether to stop at a point with a lower statistic, and return it.

    Returns
    -------
    result : SearchResult
        The same minimum. For parameters that are correlated with those of the sources, the errors
        are the means of both sides of the profiles, if both are approximately parabolic; otherwise
        a note lists the parameters. Correlations are unchanged, and so is a result with a message
        or an invalid covariance.
    lower_point : array or None
        Parameters at a point of a profile with a lower statistic than the result, shape (n,), where
        a new search should start; None if there is none.
    """
    if result.message or not np.isfinite(result.covariance).all():
        return result, None
    stat = objective.total(result.values)
    factors, calls = np.ones(len(result.values)), result.calls
    not_parabolic = []
    for index in _correlated_indices(result.covariance, sources):
        error_ratios = []
        for side in (-1.0, 1.0):
            point, profile_calls = _profile_point(objective, result, index, side)
            calls += profile_calls
            rise = np.nan if point is None else objective.total(point) - stat
            if restart and rise < -SAME_MINIMUM:
                return attrs.evolve(result, calls=calls), point
            error_ratios.append(1 / np.sqrt(rise) if MIN_RISE < rise < MAX_RISE else np.nan)
            if point is not None and not np.isfinite(error_ratios[-1]):
                not_parabolic.append(objective.names[index])
        if np.isfinite(error_ratios).all():
            factors[index] = np.mean(error_ratios)
    covariance = result.covariance * np.outer(factors, factors)
    notes = result.notes
    if not_parabolic:
        names = ", ".join(dict.fromkeys(not_parabolic))
        notes = (
            *notes,
            f"the profile of {names} is not parabolic: use minos for asymmetric errors",
        )
    return attrs.evolve(result, covariance=covariance, calls=calls, notes=notes), None


def _correlated_indices(covariance: Array, sources: Sequence[SharpEdgedSource]) -> list[int]:
    """Return the indices of other parameters that are correlated with those of the sources."""
    indices = spatial_indices(sources)
    others = np.setdiff1d(np.arange(len(covariance)), indices)
    cross = covariance[np.ix_(others, indices)]
    inverse = np.linalg.pinv(covariance[np.ix_(indices, indices)], hermitian=True)
    explained = np.einsum("ij,jk,ik->i", cross, inverse, cross)
    is_correlated = explained > MIN_FRACTION * np.diag(covariance)[others]
    return [int(index) for index in others[is_correlated]]


def _profile_point(
    objective: Objective, result: SearchResult, index: int, side: float
) -> tuple[Array | None, int]:
    """Return the point of a profile at a shift of one error, and the number of calls.

    The point is None if it is beyond a limit, or if the edges are not sharp there.
    """
    shift = side * result.errors[index]
    changes_per_shift = result.covariance[:, index] / result.covariance[index, index]
    start = result.values + changes_per_shift * shift
    low, high = objective.limits[index]
    if not low <= start[index] <= high:
        return None, 0
    start = np.clip(start, *objective.limits.T)
    free = np.delete(np.arange(len(start)), index)
    free_objective = conditional_objective(objective, free, start)
    sources = free_objective.sharp(start[free]) if free_objective.sharp else ()
    if not sources:  # the edges are not sharp at these values
        return None, 0
    search = SharpEdgeSearch(free_objective, TOLERANCE)
    point = start.copy()
    point[free] = search.update(start[free], sources)
    return point, search.calls
