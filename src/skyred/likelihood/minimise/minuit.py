"""Minuit: MIGRAD with our gradient where it is known, and HESSE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.convergence import FARTHEST, why_not
from skyred.likelihood.minimise.search_result import SearchResult

if TYPE_CHECKING:
    from iminuit import Minuit
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

MOST_CARE = 2
HESSE_FIRST = 10  # times the square of the parameters: calls from which HESSE first is affordable


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
    exact : bool
        Whether MIGRAD takes the gradient of the objective, if it has one.
    """

    objective: Objective
    strategy: int
    tolerance: float
    calls: int
    exact: bool = True
    scale: Array = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Minuit wants parameters of order one: an amplitude of 1e-11 is lost in its rounding
        start, steps = np.abs(self.objective.start), self.objective.steps
        scale = np.where(start > 0, start, 0.0 if steps is None else np.abs(steps))
        self.scale = np.where(scale > 0, scale, 1.0)

    def migrad(self, start: Array, steps: Array | None) -> SearchResult:
        """Search by MIGRAD, and call HESSE at the end.

        Parameters
        ----------
        start, steps : array
            Where to begin, and a guess of the errors, shape (n,).

        Returns
        -------
        SearchResult
            Its message says why MIGRAD or HESSE failed, the limit on calls included.
        """
        search = self._minuit(start, steps, gradient=self.exact)
        known = self.exact and self.objective.gradient_of is not None
        if not known and self.calls > HESSE_FIRST * len(start) ** 2:
            search.hesse()  # the first step is then a Newton step: it saves a third of the calls
        search.migrad(ncall=self.calls)
        calls = search.nfcn + search.ngrad
        if not search.valid:
            return self._result(search, calls, why_not(search))
        # HESSE on the object of the search would take the steps that MIGRAD ended with: across a
        # pixel centre, where the likelihood of a point source has no derivative, errors are 5 % off
        final = self._fresh(search)
        message = "" if final.accurate else "HESSE failed: the covariance is not exact"
        end = self._result(final, calls + final.nfcn, message, search.fmin.edm)
        if final.fmin.edm < FARTHEST:
            return end
        message = f"by HESSE the minimum is elsewhere, {final.fmin.edm:.2g} lower"
        return attrs.evolve(end, message=message, covariance=np.nan * end.covariance)

    def _fresh(self, search: Minuit) -> Minuit:
        values, errors = np.array(search.values), np.array(search.errors)
        final = self._minuit(values * self.scale, errors * self.scale, gradient=False)
        final.strategy = MOST_CARE
        final.hesse()
        return final

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

    def _result(
        self, minuit: Minuit, calls: int, message: str, edm: float | None = None
    ) -> SearchResult:
        values = np.array(minuit.values) * self.scale
        covariance = np.full((len(values), len(values)), np.nan)
        if minuit.covariance is not None:
            covariance = np.array(minuit.covariance) * np.outer(self.scale, self.scale)
        edm = float(minuit.fmin.edm if edm is None else edm)
        return SearchResult(values, covariance, edm, calls, message)
