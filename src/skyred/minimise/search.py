"""The minimum of an objective: Newton steps first, Minuit if they do not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.minimise.found import Found
from skyred.minimise.hesse import Hessian, hesse
from skyred.minimise.minuit import MinuitSearch
from skyred.minimise.newton import HOPS, Descent, lower_nearby, settle
from skyred.minimise.verdict import at_limit
from skyred.records import FitResult

if TYPE_CHECKING:
    from skyred.objective import Objective

EDM_PER_TOLERANCE = 0.002  # Minuit's: where a search ends, per unit of its tolerance
ABOVE_GOAL = 10  # times that, from which Minuit too takes a minimum not to be one
POLISHES = 5


def minimise(
    objective: Objective,
    *,
    strategy: int = 1,
    tolerance: float = 0.01,
    calls: int = 10000,
    minos: bool = False,
) -> FitResult:
    """Find the minimum of an objective's total, and the covariance there by HESSE.

    With gradient and Fisher matrix, Newton steps lead to the minimum, and HESSE is made of
    differences of the gradient. MIGRAD and Minuit's HESSE do both if there are no derivatives, or
    if that does not give a minimum.

    Parameters
    ----------
    objective : Objective
        What to minimise.
    strategy : int
        Minuit's strategy for MIGRAD, 0 to 2.
    tolerance : float
        Minuit's tolerance: the search ends at an estimated distance of 0.002 times this.
    calls : int
        Largest number of calls by MIGRAD.
    minos : bool
        Whether to find asymmetric errors by MINOS.

    Returns
    -------
    FitResult
        Its `success` is true only for a valid minimum with a valid covariance.

    Raises
    ------
    FitError
        If the objective is not finite at its starting values.
    """
    first = objective.total(objective.start)
    if not np.isfinite(first):
        raise FitError(
            f"the fit statistic is {first} at the starting values; start from values at which "
            "the model predicts counts wherever there are any"
        )
    minuit = MinuitSearch(objective, strategy, tolerance, calls)
    found = _search(objective, minuit, EDM_PER_TOLERANCE * tolerance)
    result = _result(objective, found)
    return _with_minos(minuit, found, result) if minos and result.success else result


def _search(objective: Objective, minuit: MinuitSearch, tolerance: float) -> Found:
    if objective.gradient_of is None or objective.fisher_of is None:
        return minuit.migrad(objective.start, objective.steps, gradient=True)
    newton, flat, level = settle(objective, tolerance), list[str](), False
    if newton.converged:
        hessian = _polish(objective, newton, tolerance)
        flat, level = hessian.flat, hessian.level
        if not flat and hessian.edm < ABOVE_GOAL * tolerance:
            return Found(newton.x, hessian.covariance, hessian.edm, newton.calls, "")
    # the derivatives led nowhere, so MIGRAD goes without them
    found = _migrad(objective, minuit, newton, tolerance)
    gain = objective.total(newton.x) - objective.total(found.values)
    found = attrs.evolve(found, calls=newton.calls + found.calls)
    if level and not gain > ABOVE_GOAL * tolerance:
        message = f"the statistic does not settle {', '.join(flat)}: freeze some, or set priors"
        nothing = np.full_like(found.covariance, np.nan)
        return Found(newton.x, nothing, np.nan, found.calls, message)
    if found.message and not gain >= 0:
        found = attrs.evolve(found, values=newton.x)  # MIGRAD, lost, may end anywhere
    if found.message and flat:
        hardly = f"{found.message}; the statistic hardly depends on {', '.join(flat)}"
        found = attrs.evolve(found, message=hardly)
    return found


def _migrad(objective: Objective, minuit: MinuitSearch, newton: Descent, tolerance: float) -> Found:
    """Search by MIGRAD from where Newton steps ended, or else from the start; look around."""
    found = minuit.migrad(newton.x, newton.errors, gradient=False)
    if found.message:
        again = minuit.migrad(objective.start, objective.steps, gradient=False)
        calls = found.calls + again.calls
        found = attrs.evolve(found if again.message else again, calls=calls)
    for _ in range(HOPS):
        if found.message:
            break
        errors = np.sqrt(np.diag(found.covariance))
        lower, calls = lower_nearby(objective, found.values, errors, tolerance)
        found = attrs.evolve(found, calls=found.calls + calls)
        if lower is None:
            break
        again = minuit.migrad(lower, errors, gradient=False)
        calls = found.calls + again.calls
        found = attrs.evolve(found if again.message else again, calls=calls)
        if again.message:
            break
    return found


def _polish(objective: Objective, newton: Descent, tolerance: float) -> Hessian:
    """End in steps by the true second derivatives, where the Fisher matrix is too far from them."""
    hessian = hesse(objective, newton.x, newton.held)
    newton.calls += hessian.calls
    for _ in range(POLISHES):
        trial = np.clip(newton.x + hessian.step, *objective.limits.T)
        if not hessian.edm > tolerance or objective.total(trial) > objective.total(newton.x):
            break
        newton.x, hessian = trial, hesse(objective, trial, newton.held)
        newton.calls += hessian.calls + 2
    return hessian


def _result(objective: Objective, found: Found) -> FitResult:
    message = found.message
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(found.covariance))
    if not message and not np.all(np.isfinite(errors) & (errors > 0)):
        message = "HESSE failed: there are parameters without a valid error"
    return FitResult(
        names=objective.names,
        units=objective.units,
        values=found.values,
        errors=errors,
        covariance=found.covariance,
        stat=objective.total(found.values),
        success=not message,
        message=message,
        nfev=found.calls + 1,
        edm=found.edm,
        at_limit=at_limit(objective, found.values, errors),
        notes=objective.notes,
    )


def _with_minos(minuit: MinuitSearch, found: Found, result: FitResult) -> FitResult:
    errn, errp, calls, failed = minuit.minos(found)
    notes = result.notes
    if failed:
        notes = (*notes, f"MINOS found no error of {', '.join(failed)}")
    return attrs.evolve(result, errn=errn, errp=errp, nfev=result.nfev + calls, notes=notes)
