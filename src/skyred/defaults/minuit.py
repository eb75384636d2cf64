"""The fitter `minuit`: MIGRAD, then a real HESSE, with an honest verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.fields import option
from skyred.hookspecs import hookimpl
from skyred.interfaces import Component, Fitter, component
from skyred.records import FitResult

if TYPE_CHECKING:
    from iminuit import Minuit as IMinuit
    from numpy.typing import NDArray

    from skyred.objective import Objective

NEAR_LIMIT = 0.5  # of its error, by which Minuit too judges a parameter to be at its limit
MOST_CARE = 2


@component
class Minuit(Fitter):
    """Minimise with iminuit: MIGRAD, then HESSE for the covariance."""

    kind = "minuit"
    strategy: int = option(
        1, min=0, max=2, doc="Minuit's strategy: 0 is fast, 2 takes the most care."
    )
    tolerance: float = option(
        0.01,
        min=1e-6,
        max=10.0,
        doc="Minuit's tolerance: MIGRAD ends at an estimated distance of 0.002 times this.",
    )
    calls: int = option(10000, min=1, doc="Largest number of calls of the objective by MIGRAD.")

    def fit(self, objective: Objective) -> FitResult:
        """Minimise the objective's total.

        Raises
        ------
        FitError
            If the objective is not finite at its starting values.
        """
        scale = _scale(objective)
        search = self._setup(objective, scale)
        search.hesse()  # MIGRAD's first step is then a Newton step: it saves a third of the calls
        search.migrad(ncall=self.calls)
        if not search.valid:
            return _result(objective, search, scale, search.nfcn, search.fmin.edm, _why_not(search))
        final = self._final(objective, scale, search)
        message = "" if final.accurate else "HESSE failed: the covariance is not exact"
        nfev = search.nfcn + final.nfcn
        return _result(objective, final, scale, nfev, search.fmin.edm, message)

    def _final(self, objective: Objective, scale: NDArray[np.float64], search: IMinuit) -> IMinuit:
        """Call HESSE at the minimum, with all care and steps as large as the errors.

        On the object of the search its steps are those that MIGRAD ended with: across a kink of the
        likelihood, as point sources have one at each pixel centre, errors are then 5 % off.
        """
        values, errors = np.array(search.values), np.array(search.errors)
        final = self._setup(
            attrs.evolve(objective, start=values * scale, steps=errors * scale), scale
        )
        final.strategy = MOST_CARE
        final.hesse()
        return final

    def _setup(self, objective: Objective, scale: NDArray[np.float64]) -> IMinuit:
        from iminuit import Minuit as IMinuit

        def total(x: NDArray[np.float64]) -> float:
            return objective.total(x * scale)

        first = objective.total(objective.start)
        if not np.isfinite(first):
            raise FitError(
                f"the fit statistic is {first} at the starting values; start from values at which "
                "the model predicts counts wherever there are any"
            )
        gradient = None
        if objective.gradient(objective.start) is not None:
            gradient = lambda x: objective.gradient(x * scale) * scale  # type: ignore[operator] # noqa: E731
        minuit = IMinuit(total, objective.start / scale, name=objective.names, grad=gradient)
        minuit.errordef = 1  # the objective is -2 log L
        minuit.strategy, minuit.tol = self.strategy, self.tolerance
        minuit.limits = [tuple(pair) for pair in objective.limits / scale[:, None]]
        if objective.steps is not None:
            minuit.errors = objective.steps / scale
        return minuit


def _scale(objective: Objective) -> NDArray[np.float64]:
    # Minuit wants parameters of order one: an amplitude of 1e-11 is lost in its rounding
    steps = np.zeros(len(objective.start)) if objective.steps is None else objective.steps
    scale = np.where(objective.start != 0, np.abs(objective.start), np.abs(steps))
    return np.where(scale > 0, scale, 1.0)


def _why_not(minuit: IMinuit) -> str:
    verdict = minuit.fmin
    reasons = {
        "the limit on calls was reached; allow more with calls": verdict.has_reached_call_limit,
        "the estimated distance to the minimum is too large": verdict.is_above_max_edm,
        "parameters are at their limits": verdict.has_parameters_at_limit,
        "the covariance is not positive definite": not verdict.has_posdef_covar,
        "HESSE failed": verdict.hesse_failed,
    }
    found = [reason for reason, holds in reasons.items() if holds]
    return "MIGRAD did not converge: " + ("; ".join(found) or "no reason given")


def _result(
    objective: Objective,
    minuit: Any,
    scale: NDArray[np.float64],
    nfev: int,
    edm: float,
    message: str,
) -> FitResult:
    values = np.array(minuit.values) * scale
    size = len(values)
    covariance = np.full((size, size), np.nan)
    if minuit.covariance is not None:
        covariance = np.array(minuit.covariance) * np.outer(scale, scale)
    errors = np.sqrt(np.diag(covariance))
    if not message and not np.all(np.isfinite(errors) & (errors > 0)):
        message = "HESSE failed: there are parameters without a valid error"
    return FitResult(
        names=objective.names,
        units=objective.units,
        values=values,
        errors=errors,
        covariance=covariance,
        stat=objective.total(values),
        success=not message,
        message=message,
        nfev=nfev,
        edm=float(edm),
        at_limit=_at_limit(objective, values, errors),
    )


def _at_limit(
    objective: Objective, values: NDArray[np.float64], errors: NDArray[np.float64]
) -> list[str]:
    margin = NEAR_LIMIT * np.where(np.isfinite(errors), errors, np.abs(values))
    low, high = objective.limits.T
    touching = (values - low <= margin) | (high - values <= margin)
    return [name for name, touches in zip(objective.names, touching, strict=True) if touches]


@hookimpl
def skyred_components() -> list[type[Component]]:
    """Offer the fitter."""
    return [Minuit]
