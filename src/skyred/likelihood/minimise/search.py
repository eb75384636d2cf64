"""The fit: a search for the minimum of an objective, its covariance, and checks of the result."""

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
from skyred.likelihood.minimise.minuit import MinuitSearch
from skyred.likelihood.minimise.minuit_rounds import search_by_minuit
from skyred.likelihood.minimise.newton import descend
from skyred.likelihood.minimise.newton_search import NewtonResult, NewtonSearch
from skyred.likelihood.minimise.search_result import SearchResult
from skyred.likelihood.minimise.sharp_errors import with_profile_errors
from skyred.likelihood.minimise.sharp_search import SharpSearch
from skyred.likelihood.minimise.sharp_sources import is_non_smooth, without_small_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpSource

    Array = NDArray[np.float64]

EDM_PER_TOLERANCE = 0.002  # as in Minuit: the final estimated distance, per unit of the tolerance
ABOVE_GOAL = 10  # times that distance, as in Minuit: a farther minimum is invalid

Method = Literal["newton", "minuit"]


def minimise(
    objective: Objective,
    *,
    method: Method = "newton",
    strategy: int = 1,
    tolerance: float = 0.01,
    calls: int = 10000,
    minos: bool = False,
) -> FitResult:
    """Find the minimum of the total of an objective, and the covariance there.

    The statistic of small sources is not differentiable at pixel centres, and has false minima
    between them. Both methods search the neighbouring pixels of each such source, and restart from
    lower points.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    method : {"newton", "minuit"}
        Newton steps with second derivatives from differences of the gradient, or MIGRAD and HESSE
        of Minuit. If Newton steps fail, MIGRAD is used, and a note of the result says so. Without
        derivatives both methods are Minuit.
    strategy : int
        Minuit's strategy for MIGRAD, 0 to 2.
    tolerance : float
        Minuit's tolerance: the search ends at an estimated distance of 0.002 times this.
    calls : int
        Largest number of calls by MIGRAD.
    minos : bool
        Whether to compute asymmetric errors, as MINOS does. If their profiles reach lower values,
        the fit restarts from there, and a note of the result says so.

    Returns
    -------
    FitResult
        Its `success` is true only for a valid minimum with a valid covariance.

    Raises
    ------
    FitError
        If the objective is not finite at its starting values.
    """
    search = partial(_search, method=method, strategy=strategy, tolerance=tolerance, calls=calls)
    result = search(objective)
    if not minos or not result.success:
        return result
    gain = ABOVE_GOAL * EDM_PER_TOLERANCE * tolerance
    return add_asymmetric_errors(objective, result, search, gain)


def _search(
    objective: Objective, *, method: Method, strategy: int, tolerance: float, calls: int
) -> FitResult:
    """Find the minimum and its covariance from the start of an objective."""
    first = objective.total(objective.start)
    if not np.isfinite(first):
        raise FitError(
            f"the fit statistic is {first} at the starting values; start from values at which "
            "the model predicts counts in all bins that contain counts"
        )
    minuit = MinuitSearch(objective, strategy, tolerance, calls)
    goal = EDM_PER_TOLERANCE * tolerance
    if method == "minuit" or objective.gradient_of is None or objective.fisher_of is None:
        end = search_by_minuit(objective, minuit, goal)
        sources = objective.sharp(end.values) if objective.sharp else ()
        if sources and end.calls <= calls and is_non_smooth(objective, end.values, sources):
            sharp = _search_sharp_sources(objective, goal, end.values, sources)
            end = _add_earlier_search(sharp, end.calls, end.notes)
        if method == "newton":
            end = attrs.evolve(end, notes=(*end.notes, "fitted by MIGRAD: no exact derivatives"))
    else:
        end = _search_by_newton(objective, minuit, goal)
    return _result(objective, end)


def _search_by_newton(objective: Objective, minuit: MinuitSearch, goal: float) -> SearchResult:
    sources = objective.sharp(objective.start) if objective.sharp else ()
    if sources:
        newton = NewtonSearch(without_small_sizes(objective, sources), goal).run(objective.start)
        if not _is_minimum(newton, goal) or is_non_smooth(objective, newton.x, sources):
            end = _search_sharp_sources(objective, goal, newton.x, sources)
            return _add_earlier_search(end, newton.calls, newton.notes)
    else:
        newton = _run_newton(objective, goal)
    hessian = newton.hessian
    if hessian is not None and _is_minimum(newton, goal):
        notes = _line_notes(newton)
        return SearchResult(newton.x, hessian.covariance, hessian.edm, newton.calls, "", notes)
    minuit.exact = False  # the derivatives did not lead to a minimum
    end = search_by_minuit(objective, minuit, goal, newton.x, newton.errors)
    gain = objective.total(newton.x) - objective.total(end.values)
    end = attrs.evolve(end, calls=newton.calls + end.calls)
    flat = [] if hessian is None else hessian.flat
    if hessian is not None and hessian.zero_curvature and not gain > ABOVE_GOAL * goal:
        return _unconstrained(newton.x, hessian, end.calls)
    if end.message and not gain >= 0:
        end = attrs.evolve(end, values=newton.x)  # MIGRAD may have diverged
    if end.message and flat:
        message = f"{end.message}; the statistic hardly depends on {', '.join(flat)}"
        end = attrs.evolve(end, message=message)
    return _polish_after_migrad(objective, end, goal)


def _search_sharp_sources(
    objective: Objective, goal: float, x: Array, sources: Sequence[SharpSource]
) -> SearchResult:
    end = SharpSearch(objective, goal).run(x, sources)
    return with_profile_errors(objective, end, sources)


def _is_minimum(newton: NewtonResult, goal: float) -> bool:
    """Return whether a search by Newton steps ended in a valid minimum."""
    hessian = newton.hessian
    return hessian is not None and not hessian.flat and hessian.edm < ABOVE_GOAL * goal


def _add_earlier_search(end: SearchResult, calls: int, notes: tuple[str, ...]) -> SearchResult:
    """Return the end of a search with the calls and notes of an earlier one."""
    return attrs.evolve(end, calls=calls + end.calls, notes=(*notes, *end.notes))


def _unconstrained(values: Array, hessian: Hessian, calls: int) -> SearchResult:
    names = tuple(hessian.flat)
    message = f"the likelihood does not constrain {', '.join(names)}: freeze some, or set priors"
    covariance = hessian.covariance
    return SearchResult(values, covariance, np.nan, calls, message, unconstrained=names)


def _run_newton(objective: Objective, goal: float) -> NewtonResult:
    """Search by Newton steps; in curved valleys also along the logarithms of amplitudes."""
    newton = NewtonSearch(objective, goal).run(objective.start)
    hessian = newton.hessian
    if (hessian is not None and not hessian.flat) or objective.factors is None:
        return newton
    logarithmic = LogarithmicFactors(objective, newton.x)
    if not logarithmic.factors.any():
        return newton
    end = descend(logarithmic.objective, goal, logarithmic.start)
    second = NewtonSearch(objective, goal).run(logarithmic.to_parameters(end.x))
    calls = newton.calls + end.calls + second.calls
    is_better = second.hessian is not None and not second.hessian.flat
    return attrs.evolve(second if is_better else newton, calls=calls)


def _polish_after_migrad(objective: Objective, end: SearchResult, goal: float) -> SearchResult:
    """Polish the minimum of MIGRAD by Newton steps, and take their errors if both minima agree."""
    if end.message:
        return attrs.evolve(end, notes=(*end.notes, "MIGRAD was tried, since Newton steps failed"))
    notes = (*end.notes, "MIGRAD was used, since Newton steps failed at first")
    stat = objective.total(end.values)
    newton = NewtonSearch(objective, goal).run(end.values)
    hessian, calls = newton.hessian, end.calls + newton.calls
    agrees = objective.total(newton.x) <= stat + goal
    if hessian is None or not agrees:
        if objective.refresh is not None:
            objective.refresh(end.values)
        return attrs.evolve(end, calls=calls, notes=notes)
    if hessian.flat and hessian.zero_curvature:  # MIGRAD stops anywhere in a flat valley
        return _unconstrained(newton.x, hessian, calls)
    if hessian.flat or not hessian.edm < ABOVE_GOAL * goal:
        return attrs.evolve(end, calls=calls, notes=notes)
    notes = (*notes, *_line_notes(newton))
    return SearchResult(newton.x, hessian.covariance, hessian.edm, calls, "", notes)


def _line_notes(newton: NewtonResult) -> tuple[str, ...]:
    if not newton.lines:
        return newton.notes
    return (
        *newton.notes,
        f"{', '.join(newton.lines)}: the best value is at a pixel centre, where the statistic has "
        "no second derivative; the error is about half the width of the profile",
    )


def _result(objective: Objective, end: SearchResult) -> FitResult:
    message, errors, notes = end.message, end.errors, (*objective.notes, *end.notes)
    if not message and not np.all(np.isfinite(errors) & (errors > 0)):
        invalid = [
            name for name, error in zip(objective.names, errors, strict=True) if not error > 0
        ]
        message = f"no valid error of {', '.join(invalid)}: the likelihood does not constrain it"
    names = (
        [] if message else parameters_with_asymmetric_errors(objective, end.values, end.covariance)
    )
    if names:
        notes = (
            *notes,
            f"the likelihood of {', '.join(names)} is not parabolic: minos gives both errors",
        )
    return FitResult(
        names=objective.names,
        units=objective.units,
        values=end.values,
        errors=errors,
        covariance=end.covariance,
        stat=objective.total(end.values),
        success=not message,
        message=message,
        nfev=end.calls + 1,
        edm=end.edm,
        at_limit=parameters_at_limit(objective, end.values, errors),
        notes=notes,
        unconstrained=end.unconstrained,
    )
