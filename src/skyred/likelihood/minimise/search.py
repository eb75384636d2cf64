"""Minimisation of an objective: search for the minimum, covariance, and checks of the result."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.interfaces.records import FitResult
from skyred.likelihood.minimise.convergence import (
    parameters_at_limit,
    parameters_with_asymmetric_errors,
)
from skyred.likelihood.minimise.hesse import Hessian
from skyred.likelihood.minimise.logarithmic_factors import LogarithmicFactors
from skyred.likelihood.minimise.minos import add_asymmetric_errors
from skyred.likelihood.minimise.minuit import HESSE_STRATEGY, MinuitSearch
from skyred.likelihood.minimise.minuit_rounds import search_with_minuit
from skyred.likelihood.minimise.newton import descend
from skyred.likelihood.minimise.newton_search import NewtonResult, NewtonSearch
from skyred.likelihood.minimise.profile_errors import with_profile_errors
from skyred.likelihood.minimise.search_result import SearchResult
from skyred.likelihood.minimise.sharp_edge_search import SharpEdgeSearch
from skyred.likelihood.minimise.sharp_edged_sources import is_non_smooth, with_min_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpEdgedSource

    Array = NDArray[np.float64]

# as in Minuit: a search ends when the edm is below this factor times the tolerance
EDM_PER_TOLERANCE = 0.002
MAX_EDM_FACTOR = 10  # as in Minuit: a minimum is invalid if its edm is larger by this factor

SHARP_EDGE_RESTARTS = 3  # maximum number of restarts from points on profiles below the minimum

Method = Literal["newton", "minuit"]


def minimise(
    objective: Objective,
    *,
    method: Method = "newton",
    strategy: int = 1,
    hesse_strategy: int = HESSE_STRATEGY,
    tolerance: float = 0.01,
    calls: int = 10000,
    minos: bool = False,
    n_sigma: float = 1.0,
    minos_parameters: Sequence[str] = ("*",),
) -> FitResult:
    """Find the minimum of an objective, including its prior, and the covariance at the minimum.

    The statistic of a point source is not differentiable at pixel centres, and that of any small
    source may have several local minima. Both methods search the neighbouring pixels of each small
    source, and restart from lower points. If a source with sharp edges, such as a disk, makes the
    statistic non-smooth, a search with random samples and the simplex method follows.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    method : {"newton", "minuit"}
        Newton steps, with errors from second derivatives (differences of the gradient), or MIGRAD
        and HESSE of Minuit. If Newton steps fail, MIGRAD is used, and the result has a note; for
        sources with sharp edges, the search with random samples is used instead. If the objective
        has no derivatives, Minuit is always used.
    strategy : int
        Minuit's strategy for MIGRAD, 0 to 2.
    hesse_strategy : int
        Minuit's strategy for HESSE, 0 to 2.
    tolerance : float
        Minuit's tolerance: the search ends at an estimated distance to the minimum of 0.002 times
        the tolerance.
    calls : int
        Maximum number of evaluations by MIGRAD.
    minos : bool
        Whether to compute asymmetric errors, as MINOS does. If a profile falls below the minimum,
        the fit restarts from the lower point, and the result has a note.
    n_sigma : float
        The confidence level of asymmetric errors, in standard deviations.
    minos_parameters : sequence of str
        Names of the parameters with asymmetric errors, with wildcards; by default all.

    Returns
    -------
    FitResult
        The result; `success` is only true for a valid minimum with a valid covariance.

    Raises
    ------
    FitError
        If the objective is not finite at its starting values.
    """
    search = partial(
        _search,
        method=method,
        strategies=(strategy, hesse_strategy),
        tolerance=tolerance,
        max_calls=calls,
    )
    result = search(objective)
    if not minos or not result.success:
        return result
    min_gain = MAX_EDM_FACTOR * EDM_PER_TOLERANCE * tolerance
    return add_asymmetric_errors(objective, result, search, min_gain, n_sigma, minos_parameters)


def _search(
    objective: Objective,
    *,
    method: Method,
    strategies: tuple[int, int],
    tolerance: float,
    max_calls: int,
) -> FitResult:
    """Find the minimum and the covariance, from the starting values of the objective."""
    start_stat = objective.total(objective.start)
    if not np.isfinite(start_stat):
        raise FitError(
            f"the fit statistic is {start_stat} at the starting values; start from values at which "
            "the model predicts counts in all bins that contain counts"
        )
    minuit = MinuitSearch(objective, strategies, tolerance, max_calls)
    target_edm = EDM_PER_TOLERANCE * tolerance
    if method == "minuit" or objective.gradient_of is None or objective.fisher_of is None:
        result = search_with_minuit(objective, minuit, target_edm)
        sharp_edged_sources = objective.sharp(result.values) if objective.sharp else ()
        if (
            sharp_edged_sources
            and result.calls <= max_calls
            and is_non_smooth(objective, result.values, sharp_edged_sources)
        ):
            sharp_edge_result = _search_sharp_edges(
                objective, target_edm, result.values, sharp_edged_sources
            )
            result = _add_previous_search(sharp_edge_result, result.calls, result.notes)
        if method == "newton":
            result = attrs.evolve(
                result,
                notes=(*result.notes, "fitted with MIGRAD, since the objective has no derivatives"),
            )
    else:
        result = _search_with_newton(objective, minuit, target_edm)
    return _create_fit_result(objective, result)


def _search_with_newton(
    objective: Objective, minuit: MinuitSearch, target_edm: float
) -> SearchResult:
    sharp_edged_sources = objective.sharp(objective.start) if objective.sharp else ()
    if sharp_edged_sources:
        limited_objective = with_min_sizes(objective, sharp_edged_sources)
        newton = NewtonSearch(limited_objective, target_edm).run(objective.start)
        if not _is_minimum(newton, target_edm) or is_non_smooth(
            objective, newton.x, sharp_edged_sources
        ):
            result = _search_sharp_edges(objective, target_edm, newton.x, sharp_edged_sources)
            return _add_previous_search(result, newton.calls, newton.notes)
    else:
        newton = _run_newton(objective, target_edm)
    hessian = newton.hessian
    if hessian is not None and _is_minimum(newton, target_edm):
        notes = _add_pixel_centre_note(newton)
        return SearchResult(newton.x, hessian.covariance, hessian.edm, newton.calls, "", notes)
    minuit.use_gradient = False  # the derivatives did not lead to a minimum
    result = search_with_minuit(objective, minuit, target_edm, newton.x, newton.errors)
    gain = objective.total(newton.x) - objective.total(result.values)
    result = attrs.evolve(result, calls=newton.calls + result.calls)
    unconstrained_names = [] if hessian is None else hessian.unconstrained_names
    if hessian is not None and hessian.zero_curvature and not gain > MAX_EDM_FACTOR * target_edm:
        return _create_unconstrained_result(newton.x, hessian, result.calls)
    if result.message and not gain >= 0:
        result = attrs.evolve(result, values=newton.x)  # MIGRAD may have diverged
    if result.message and unconstrained_names:
        message = (
            f"{result.message}; the statistic hardly depends on {', '.join(unconstrained_names)}"
        )
        result = attrs.evolve(result, message=message)
    return _polish_after_migrad(objective, result, target_edm)


def _search_sharp_edges(
    objective: Objective, target_edm: float, x: Array, sources: Sequence[SharpEdgedSource]
) -> SearchResult:
    """Search for the minimum if sources have sharp edges; restart from lower points on profiles."""
    result, lower_point = _search_with_profiles(objective, target_edm, x, sources)
    for _ in range(SHARP_EDGE_RESTARTS):
        if lower_point is None:
            return result
        stat, calls = objective.total(result.values), result.calls
        new_result, lower_point = _search_with_profiles(objective, target_edm, lower_point, sources)
        if not objective.total(new_result.values) < stat:
            # the point was lower only with the IRFs of the previous position
            if objective.refresh is not None:
                objective.refresh(result.values)
            result = attrs.evolve(result, calls=calls + new_result.calls)
            return with_profile_errors(objective, result, sources, restart=False)[0]
        result = attrs.evolve(new_result, calls=calls + new_result.calls)
    if lower_point is None:
        return result
    message = (
        "not converged: the likelihood profiles still fall below the minimum after "
        f"{SHARP_EDGE_RESTARTS} restarts"
    )
    return attrs.evolve(result, message=message)


def _search_with_profiles(
    objective: Objective, target_edm: float, x: Array, sources: Sequence[SharpEdgedSource]
) -> tuple[SearchResult, Array | None]:
    result = SharpEdgeSearch(objective, target_edm).run(x, sources)
    return with_profile_errors(objective, result, sources)


def _is_minimum(newton: NewtonResult, target_edm: float) -> bool:
    """Return whether a search by Newton steps ended in a valid minimum."""
    hessian = newton.hessian
    return (
        hessian is not None
        and not hessian.unconstrained_names
        and hessian.edm < MAX_EDM_FACTOR * target_edm
    )


def _add_previous_search(result: SearchResult, calls: int, notes: tuple[str, ...]) -> SearchResult:
    """Return the result of a search, with the calls and notes of a previous search added."""
    return attrs.evolve(result, calls=calls + result.calls, notes=(*notes, *result.notes))


def _create_unconstrained_result(values: Array, hessian: Hessian, calls: int) -> SearchResult:
    names = tuple(hessian.unconstrained_names)
    message = f"the likelihood does not constrain {', '.join(names)}: freeze some, or set priors"
    covariance = hessian.covariance
    return SearchResult(values, covariance, np.nan, calls, message, unconstrained=names)


def _run_newton(objective: Objective, target_edm: float) -> NewtonResult:
    """Search by Newton steps; if these fail, start again from a fit of logarithms of amplitudes."""
    newton = NewtonSearch(objective, target_edm).run(objective.start)
    hessian = newton.hessian
    if (hessian is not None and not hessian.unconstrained_names) or objective.factors is None:
        return newton
    logarithmic = LogarithmicFactors(objective, newton.x)
    if not logarithmic.factors.any():
        return newton
    descent = descend(logarithmic.objective, target_edm, logarithmic.start)
    new_search = NewtonSearch(objective, target_edm).run(logarithmic.to_parameters(descent.x))
    calls = newton.calls + descent.calls + new_search.calls
    is_better = new_search.hessian is not None and not new_search.hessian.unconstrained_names
    return attrs.evolve(new_search if is_better else newton, calls=calls)


def _polish_after_migrad(
    objective: Objective, result: SearchResult, target_edm: float
) -> SearchResult:
    """Improve MIGRAD's minimum by Newton steps; use their errors if the statistic is not higher."""
    if result.message:
        return attrs.evolve(
            result, notes=(*result.notes, "MIGRAD was tried, since Newton steps failed")
        )
    notes = (*result.notes, "MIGRAD was used, since Newton steps failed at first")
    stat = objective.total(result.values)
    newton = NewtonSearch(objective, target_edm).run(result.values)
    hessian, calls = newton.hessian, result.calls + newton.calls
    is_not_higher = objective.total(newton.x) <= stat + target_edm
    if hessian is None or not is_not_higher:
        if objective.refresh is not None:
            objective.refresh(result.values)
        return attrs.evolve(result, calls=calls, notes=notes)
    if hessian.unconstrained_names and hessian.zero_curvature:
        # MIGRAD ended at an arbitrary point
        return _create_unconstrained_result(newton.x, hessian, calls)
    if hessian.unconstrained_names or not hessian.edm < MAX_EDM_FACTOR * target_edm:
        return attrs.evolve(result, calls=calls, notes=notes)
    notes = (*notes, *_add_pixel_centre_note(newton))
    return SearchResult(newton.x, hessian.covariance, hessian.edm, calls, "", notes)


def _add_pixel_centre_note(newton: NewtonResult) -> tuple[str, ...]:
    """Return the notes of a search, with a note on minima at pixel centres if there are any."""
    if not newton.names_at_pixel_centres:
        return newton.notes
    return (
        *newton.notes,
        f"{', '.join(newton.names_at_pixel_centres)}: the best value is at a pixel centre, where "
        "the statistic has no second derivative; the error is about half the width of the "
        "likelihood profile where the statistic has risen by 1",
    )


def _create_fit_result(objective: Objective, result: SearchResult) -> FitResult:
    message, errors, notes = result.message, result.errors, (*objective.notes, *result.notes)
    if not message and not np.all(np.isfinite(errors) & (errors > 0)):
        invalid = [
            name for name, error in zip(objective.names, errors, strict=True) if not error > 0
        ]
        message = (
            f"no valid errors for {', '.join(invalid)}: the likelihood does not constrain them"
        )
    names = (
        []
        if message
        else parameters_with_asymmetric_errors(objective, result.values, result.covariance)
    )
    if names:
        notes = (
            *notes,
            f"the fit statistic is not parabolic in {', '.join(names)}: use minos for asymmetric "
            "errors",
        )
    return FitResult(
        names=objective.names,
        units=objective.units,
        values=result.values,
        errors=errors,
        covariance=result.covariance,
        stat=objective.total(result.values),
        success=not message,
        message=message,
        nfev=result.calls + 1,
        edm=result.edm,
        at_limit=parameters_at_limit(objective, result.values, errors),
        notes=notes,
        unconstrained=result.unconstrained,
    )
