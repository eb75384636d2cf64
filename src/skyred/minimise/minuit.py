"""Minuit: MIGRAD where Newton steps cannot go, HESSE for all, MINOS on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.minimise.newton import Descent, descend
from skyred.minimise.verdict import at_limit, why_not
from skyred.records import FitResult

if TYPE_CHECKING:
    from iminuit import Minuit
    from numpy.typing import NDArray

    from skyred.objective import Objective

    Array = NDArray[np.float64]

MOST_CARE = 2
EDM_PER_TOLERANCE = 0.002  # Minuit's: where a search ends, per unit of its tolerance


def minimise(
    objective: Objective,
    *,
    strategy: int = 1,
    tolerance: float = 0.01,
    calls: int = 10000,
    minos: bool = False,
) -> FitResult:
    """Find the minimum of an objective's total, and the covariance there by HESSE.

    Parameters
    ----------
    objective : Objective
        What to minimise. With gradient and Fisher matrix, Newton steps lead to the minimum; MIGRAD
        searches if there are none, or if they do not converge.
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
    search = Search(objective, strategy, tolerance, calls)
    minuit, nfev, message = search.run()
    result = search.result(minuit, nfev, message)
    return search.with_minos(minuit, result) if minos and result.success else result


@attrs.define(eq=False)
class Search:
    """A search for the minimum of one objective, in parameters of order one."""

    objective: Objective
    strategy: int
    tolerance: float
    calls: int
    scale: Array = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Minuit wants parameters of order one: an amplitude of 1e-11 is lost in its rounding
        start, steps = np.abs(self.objective.start), self.objective.steps
        scale = np.where(start > 0, start, 0.0 if steps is None else np.abs(steps))
        self.scale = np.where(scale > 0, scale, 1.0)
        first = self.objective.total(self.objective.start)
        if not np.isfinite(first):
            raise FitError(
                f"the fit statistic is {first} at the starting values; start from values at which "
                "the model predicts counts wherever there are any"
            )

    def run(self) -> tuple[Minuit, int, str]:
        """Search; gives Minuit at the end, the calls of the objective, and why it failed if so."""
        newton = self._newton()
        if newton is None:
            return self._migrad(self.objective.start, self.objective.steps, 1)
        if newton.converged:
            minuit = self._minuit(newton.x, newton.errors, gradient=False)
            minuit.strategy = MOST_CARE
            minuit.hesse()
            if minuit.valid and minuit.accurate:
                return minuit, newton.calls + minuit.nfcn, ""
        return self._migrad(newton.x, newton.errors, newton.calls, gradient=False)

    def _newton(self) -> Descent | None:
        if self.objective.gradient_of is None or self.objective.fisher_of is None:
            return None
        return descend(self.objective, EDM_PER_TOLERANCE * self.tolerance)

    def _migrad(
        self, start: Array, steps: Array | None, nfev: int, gradient: bool = True
    ) -> tuple[Minuit, int, str]:
        search = self._minuit(start, steps, gradient)
        search.hesse()  # MIGRAD's first step is then a Newton step: it saves a third of the calls
        search.migrad(ncall=self.calls)
        if not search.valid:
            return search, nfev + search.nfcn, why_not(search)
        # HESSE on the object of the search would take the steps that MIGRAD ended with: across a
        # kink of the likelihood, as point sources have at pixel centres, errors are then 5 % off
        values, errors = np.array(search.values), np.array(search.errors)
        final = self._minuit(values * self.scale, errors * self.scale, gradient=False)
        final.strategy = MOST_CARE
        final.hesse()
        message = "" if final.accurate else "HESSE failed: the covariance is not exact"
        return final, nfev + search.nfcn + final.nfcn, message

    def _minuit(self, start: Array, steps: Array | None, gradient: bool) -> Minuit:
        from iminuit import Minuit

        minuit = Minuit(
            lambda x: self.objective.total(x * self.scale),
            start / self.scale,
            name=self.objective.names,
            grad=self._gradient if gradient and self.objective.gradient_of else None,
        )
        minuit.errordef = 1  # the objective is -2 log L
        minuit.strategy, minuit.tol = self.strategy, self.tolerance
        minuit.limits = [tuple(pair) for pair in self.objective.limits / self.scale[:, None]]
        if steps is not None:
            minuit.errors = steps / self.scale
        return minuit

    def _gradient(self, x: Array) -> Array:
        return self.objective.gradient(x * self.scale) * self.scale  # type: ignore[operator]

    def result(self, minuit: Minuit, nfev: int, message: str) -> FitResult:
        """Put together what was found."""
        objective, values = self.objective, np.array(minuit.values) * self.scale
        covariance = np.full((len(values), len(values)), np.nan)
        if minuit.covariance is not None:
            covariance = np.array(minuit.covariance) * np.outer(self.scale, self.scale)
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
            nfev=nfev + 1,
            edm=float(minuit.fmin.edm),
            at_limit=at_limit(objective, values, errors),
            notes=objective.notes,
        )

    def with_minos(self, minuit: Minuit, result: FitResult) -> FitResult:
        """Add the errors by MINOS; NaN, with a note, where it finds none."""
        minuit.minos()
        found = [minuit.merrors[name] for name in self.objective.names]
        errn = [-each.lower if each.lower_valid else np.nan for each in found]
        errp = [each.upper if each.upper_valid else np.nan for each in found]
        failed = [each.name for each in found if not each.is_valid]
        note = f"MINOS found no error of {', '.join(failed)}"
        return attrs.evolve(
            result,
            errn=np.array(errn) * self.scale,
            errp=np.array(errp) * self.scale,
            nfev=result.nfev + minuit.nfcn,
            notes=(*result.notes, note) if failed else result.notes,
        )
