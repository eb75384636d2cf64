"""The minimum of an objective: a search, its covariance, and the checks before it is a success."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.interfaces.records import FitResult
from skyred.likelihood.minimise.convergence import asymmetric, at_limit
from skyred.likelihood.minimise.hesse import Hessian
from skyred.likelihood.minimise.logarithmic_factors import LogarithmicFactors
from skyred.likelihood.minimise.minos import add_asymmetric_errors
from skyred.likelihood.minimise.minuit import MinuitSearch
from skyred.likelihood.minimise.minuit_rounds import search_by_minuit
from skyred.likelihood.minimise.newton import descend
from skyred.likelihood.minimise.newton_search import NewtonEnd, NewtonSearch
from skyred.likelihood.minimise.search_result import SearchResult
from skyred.likelihood.minimise.sharp_search import SharpSearch
from skyred.likelihood.minimise.sharp_sources import is_uneven, without_small_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

EDM_PER_TOLERANCE = 0.002  # Minuit's: where a search ends, per unit of its tolerance
ABOVE_GOAL = 10  # times that, from which Minuit too takes a minimum not to be one

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
    """Find the minimum of an objective's total, and the covariance there.

    The statistic of small sources is not differentiable at pixel centres and has false minima
    between them. Both methods search the neighbouring pixels of each such source, and begin again
    from what is lower.

    Parameters
    ----------
    objective : Objective
        The function to minimise.
    method : {"newton", "minuit"}
        Newton steps with second derivatives from differences of the gradient, and MIGRAD if they
        fail, which the result's notes report; or MIGRAD and HESSE of Minuit. Without derivatives
        both are Minuit.
    strategy : int
        Minuit's strategy for MIGRAD, 0 to 2.
    tolerance : float
        Minuit's tolerance: the search ends at an estimated distance of 0.002 times this.
    calls : int
        Largest number of calls by MIGRAD.
    minos : bool
        Whether to find asymmetric errors, as MINOS does. If their profiles find lower values, the
        fit begins again from there, which the result's notes report.

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
            "the model predicts counts wherever there are any"
        )
    minuit = MinuitSearch(objective, strategy, tolerance, calls)
    goal = EDM_PER_TOLERANCE * tolerance
    if method == "minuit" or objective.gradient_of is None or objective.fisher_of is None:
        end = search_by_minuit(objective, minuit, goal)
        sources = objective.sharp(end.values) if objective.sharp else ()
        if sources and end.calls <= calls and is_uneven(objective, end.values, sources):
            sharp = SharpSearch(objective, goal).run(end.values, sources)
            end = _after(sharp, end.calls, end.notes)
        if method == "newton":
            end = attrs.evolve(end, notes=(*end.notes, "fitted by MIGRAD: no exact derivatives"))
    else:
        end = _by_newton(objective, minuit, goal)
    return _result(objective, end)


def _by_newton(objective: Objective, minuit: MinuitSearch, goal: float) -> SearchResult:
    sources = objective.sharp(objective.start) if objective.sharp else ()
    if sources:
        newton = NewtonSearch(without_small_sizes(objective, sources), goal).run(objective.start)
        if not _is_minimum(newton, goal) or is_uneven(objective, newton.x, sources):
            end = SharpSearch(objective, goal).run(newton.x, sources)
            return _after(end, newton.calls, newton.notes)
    else:
        newton = _newton(objective, goal)
    hessian = newton.hessian
    if hessian is not None and _is_minimum(newton, goal):
        notes = _line_notes(newton)
        return SearchResult(newton.x, hessian.covariance, hessian.edm, newton.calls, "", notes)
    minuit.exact = False  # the derivatives led nowhere
    end = search_by_minuit(objective, minuit, goal, newton.x, newton.errors)
    gain = objective.total(newton.x) - objective.total(end.values)
    end = attrs.evolve(end, calls=newton.calls + end.calls)
    flat = [] if hessian is None else hessian.flat
    if hessian is not None and hessian.level and not gain > ABOVE_GOAL * goal:
        return _unconstrained(newton.x, hessian, end.calls)
    if end.message and not gain >= 0:
        end = attrs.evolve(end, values=newton.x)  # MIGRAD may have ended anywhere
    if end.message and flat:
        hardly = f"{end.message}; the statistic hardly depends on {', '.join(flat)}"
        end = attrs.evolve(end, message=hardly)
    return _after_migrad(objective, end, goal)


def _is_minimum(newton: NewtonEnd, goal: float) -> bool:
    hessian = newton.hessian
    return hessian is not None and not hessian.flat and hessian.edm < ABOVE_GOAL * goal


def _after(end: SearchResult, calls: int, notes: tuple[str, ...]) -> SearchResult:
    """Return the end of a search with the calls and notes of one before it."""
    return attrs.evolve(end, calls=calls + end.calls, notes=(*notes, *end.notes))


def _unconstrained(values: Array, hessian: Hessian, calls: int) -> SearchResult:
    names = tuple(hessian.flat)
    message = f"the likelihood does not constrain {', '.join(names)}: freeze some, or set priors"
    covariance = hessian.covariance
    return SearchResult(values, covariance, np.nan, calls, message, unconstrained=names)


def _newton(objective: Objective, goal: float) -> NewtonEnd:
    """Search by Newton steps; in bent valleys, along the logarithms of amplitudes as well."""
    newton = NewtonSearch(objective, goal).run(objective.start)
    hessian = newton.hessian
    if (hessian is not None and not hessian.flat) or objective.factors is None:
        return newton
    logarithmic = LogarithmicFactors(objective, newton.x)
    if not logarithmic.factors.any():
        return newton
    end = descend(logarithmic.objective, goal, logarithmic.start)
    again = NewtonSearch(objective, goal).run(logarithmic.to_plain(end.x))
    calls = newton.calls + end.calls + again.calls
    better = again.hessian is not None and not again.hessian.flat
    return attrs.evolve(again if better else newton, calls=calls)


def _after_migrad(objective: Objective, end: SearchResult, goal: float) -> SearchResult:
    """Take the last steps and the errors from Newton steps, if they agree with MIGRAD's minimum."""
    if end.message:
        return attrs.evolve(end, notes=(*end.notes, "MIGRAD was tried, since Newton steps failed"))
    notes = (*end.notes, "found with the help of MIGRAD, since Newton steps failed at first")
    stat = objective.total(end.values)
    newton = NewtonSearch(objective, goal).run(end.values)
    hessian, calls = newton.hessian, end.calls + newton.calls
    agrees = objective.total(newton.x) <= stat + goal
    if hessian is None or not agrees:
        if objective.refresh is not None:
            objective.refresh(end.values)
        return attrs.evolve(end, calls=calls, notes=notes)
    if hessian.flat and hessian.level:  # MIGRAD takes any place in a valley for the minimum
        return _unconstrained(newton.x, hessian, calls)
    if hessian.flat or not hessian.edm < ABOVE_GOAL * goal:
        return attrs.evolve(end, calls=calls, notes=notes)
    notes = (*notes, *_line_notes(newton))
    return SearchResult(newton.x, hessian.covariance, hessian.edm, calls, "", notes)


def _line_notes(newton: NewtonEnd) -> tuple[str, ...]:
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
        bad = [n for n, e in zip(objective.names, errors, strict=True) if not e > 0]
        message = f"no valid error of {', '.join(bad)}: the likelihood does not constrain it"
    names = [] if message else asymmetric(objective, end.values, end.covariance)
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
        at_limit=at_limit(objective, end.values, errors),
        notes=notes,
        unconstrained=end.unconstrained,
    )
