"""Minuit: MIGRAD and HESSE where there are no derivatives or they lead nowhere, and MINOS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.minimise.found import Found
from skyred.minimise.verdict import FARTHEST, why_not

if TYPE_CHECKING:
    from iminuit import Minuit
    from numpy.typing import NDArray

    from skyred.objective import Objective

    Array = NDArray[np.float64]

MOST_CARE = 2


@attrs.define(eq=False)
class MinuitSearch:
    """Minuit on one objective, in parameters of order one.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    strategy : int
        Minuit's strategy for MIGRAD.
    tolerance : float
        Minuit's tolerance.
    calls : int
        Largest number of calls by MIGRAD.
    """

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

    def migrad(self, start: Array, steps: Array | None, gradient: bool) -> Found:
        """Search by MIGRAD, and call HESSE at the end."""
        search = self._minuit(start, steps, gradient)
        search.hesse()  # MIGRAD's first step is then a Newton step: it saves a third of the calls
        search.migrad(ncall=self.calls)
        if not search.valid:
            return self._found(search, search.nfcn, why_not(search))
        # HESSE on the object of the search would take the steps that MIGRAD ended with: across a
        # kink of the likelihood, as point sources have at pixel centres, errors are then 5 % off
        final = self._fresh(search)
        message = "" if final.accurate else "HESSE failed: the covariance is not exact"
        found = self._found(final, search.nfcn + final.nfcn, message, search.fmin.edm)
        if final.fmin.edm < FARTHEST:
            return found
        message = f"by HESSE the minimum is elsewhere, {final.fmin.edm:.2g} lower"
        return attrs.evolve(found, message=message, covariance=np.nan * found.covariance)

    def _fresh(self, search: Minuit) -> Minuit:
        values, errors = np.array(search.values), np.array(search.errors)
        final = self._minuit(values * self.scale, errors * self.scale, gradient=False)
        final.strategy = MOST_CARE
        final.hesse()
        return final

    def minos(self, found: Found) -> tuple[Array, Array, int, list[str]]:
        """Find the errors by MINOS at a minimum.

        Returns
        -------
        errn, errp : array
            Errors downwards and upwards, both positive, shape (n,); NaN where it finds none, as
            beyond a limit.
        calls : int
            Calls of the objective.
        failed : list of str
            The parameters without one of the errors.
        """
        minuit = self._minuit(found.values, np.sqrt(np.diag(found.covariance)), gradient=False)
        minuit.migrad(ncall=self.calls)
        if not minuit.valid:
            nothing = np.full(len(found.values), np.nan)
            return nothing, nothing, minuit.nfcn, list(self.objective.names)
        minuit.minos()
        each = [minuit.merrors[name] for name in self.objective.names]
        below = [one.lower_valid and not one.at_lower_limit for one in each]
        above = [one.upper_valid and not one.at_upper_limit for one in each]
        errn = np.where(below, [-one.lower for one in each], np.nan) * self.scale
        errp = np.where(above, [one.upper for one in each], np.nan) * self.scale
        failed = [one.name for one, *ok in zip(each, below, above, strict=True) if not all(ok)]
        return errn, errp, minuit.nfcn, failed

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

    def _found(self, minuit: Minuit, calls: int, message: str, edm: float | None = None) -> Found:
        values = np.array(minuit.values) * self.scale
        covariance = np.full((len(values), len(values)), np.nan)
        if minuit.covariance is not None:
            covariance = np.array(minuit.covariance) * np.outer(self.scale, self.scale)
        edm = float(minuit.fmin.edm if edm is None else edm)
        return Found(values, covariance, edm, calls, message)
