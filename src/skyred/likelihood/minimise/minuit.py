"""Minuit: MIGRAD with the gradient of the objective if it has one, and HESSE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.convergence import MAX_EDM, failure_reason
from skyred.likelihood.minimise.search_result import SearchResult

if TYPE_CHECKING:
    from iminuit import Minuit
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

HESSE_STRATEGY = 2
HESSE_FIRST = 10  # HESSE runs first if more than 10 n**2 calls are allowed, for n parameters


@attrs.define(eq=False)
class MinuitSearch:
    """Minuit on one objective, with parameters scaled to order one.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    strategy : int
        Minuit's strategy for MIGRAD.
    tolerance : float
        Minuit's tolerance.
    calls : int
        Largest number of calls by MIGRAD.
    exact : bool
        Whether MIGRAD uses the gradient of the objective, if it has one.

    Attributes
    ----------
    scale : array
        The unit of each scaled parameter, shape (n,).
    """

    objective: Objective
    strategy: int
    tolerance: float
    calls: int
    exact: bool = True
    scale: Array = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Minuit needs parameters of order one: it rounds off an amplitude of 1e-11
        start, steps = np.abs(self.objective.start), self.objective.steps
        scale = np.where(start > 0, start, 0.0 if steps is None else np.abs(steps))
        self.scale = np.where(scale > 0, scale, 1.0)

    def migrad(self, start: Array, steps: Array | None) -> SearchResult:
        """Minimise by MIGRAD, and call HESSE at the end.

        Parameters
        ----------
        start, steps : array
            Starting values and a guess of the errors, shape (n,).

        Returns
        -------
        SearchResult
            With a message if MIGRAD or HESSE failed, or MIGRAD reached the limit on calls.
        """
        search = self._minuit(start, steps, gradient=self.exact)
        exact_gradient = self.exact and self.objective.gradient_of is not None
        if not exact_gradient and self.calls > HESSE_FIRST * len(start) ** 2:
            search.hesse()  # makes the first step a Newton step, which saves a third of the calls
        search.migrad(ncall=self.calls)
        calls = search.nfcn + search.ngrad
        if not search.valid:
            return self._result(search, calls, failure_reason(search))
        # a new Minuit: HESSE on the first one would use the last steps of MIGRAD. Across a pixel
        # centre, where the likelihood of a point source has no derivative, errors are then 5 % off
        final = self._run_hesse(search)
        message = "" if final.accurate else "HESSE failed: the covariance is not exact"
        end = self._result(final, calls + final.nfcn, message, search.fmin.edm)
        if final.fmin.edm < MAX_EDM:
            return end
        message = f"HESSE estimates that the minimum is {final.fmin.edm:.2g} lower"
        return attrs.evolve(end, message=message, covariance=np.nan * end.covariance)

    def _run_hesse(self, search: Minuit) -> Minuit:
        values, errors = np.array(search.values), np.array(search.errors)
        final = self._minuit(values * self.scale, errors * self.scale, gradient=False)
        final.strategy = HESSE_STRATEGY
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
