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

HESSE_STRATEGY = 2  # Minuit's most accurate
# without gradient, HESSE runs first if more than 10 n**2 calls are allowed for n parameters
HESSE_FIRST_FACTOR = 10


@attrs.define(eq=False)
class MinuitSearch:
    """Minimisation of one objective with Minuit, with parameters scaled to order one.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    strategies : tuple of int
        Minuit's strategies for MIGRAD and HESSE.
    tolerance : float
        Minuit's tolerance.
    max_calls : int
        Maximum number of evaluations by MIGRAD.
    use_gradient : bool
        Whether MIGRAD uses the gradient of the objective, if there is one.

    Attributes
    ----------
    scale : array
        Units of the parameters in Minuit: their starting values, or their steps if these are zero,
        shape (n,).
    """

    objective: Objective
    strategies: tuple[int, int]
    tolerance: float
    max_calls: int
    use_gradient: bool = True
    scale: Array = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Minuit needs parameters of order one: amplitudes of 1e-11 are lost in rounding errors
        start, steps = np.abs(self.objective.start), self.objective.steps
        scale = np.where(start > 0, start, 0.0 if steps is None else np.abs(steps))
        self.scale = np.where(scale > 0, scale, 1.0)

    def migrad(self, start: Array, steps: Array | None) -> SearchResult:
        """Minimise with MIGRAD, and call HESSE if the minimum is valid.

        Parameters
        ----------
        start, steps : array
            Starting values and estimates of the errors, shape (n,).

        Returns
        -------
        SearchResult
            The result, with a message if MIGRAD or HESSE failed, MIGRAD reached the limit on calls,
            or HESSE estimates a lower minimum.
        """
        migrad_minuit = self._minuit(start, steps, gradient=self.use_gradient)
        has_gradient = self.use_gradient and self.objective.gradient_of is not None
        if not has_gradient and self.max_calls > HESSE_FIRST_FACTOR * len(start) ** 2:
            # the first step is then a Newton step, which saves a third of the calls
            migrad_minuit.hesse()
        migrad_minuit.migrad(ncall=self.max_calls)
        calls = migrad_minuit.nfcn + migrad_minuit.ngrad
        if not migrad_minuit.valid:
            return self._result(migrad_minuit, calls, failure_reason(migrad_minuit))
        # in a new Minuit object: otherwise HESSE would use the last steps of MIGRAD, and errors
        # across a pixel centre, where the likelihood has no derivative, would be wrong by 5 %
        hesse_minuit = self._run_hesse(migrad_minuit)
        message = "" if hesse_minuit.accurate else "HESSE failed: the covariance is not exact"
        result = self._result(
            hesse_minuit, calls + hesse_minuit.nfcn, message, migrad_minuit.fmin.edm
        )
        if hesse_minuit.fmin.edm < MAX_EDM:
            return result
        message = f"HESSE estimates a minimum that is lower by {hesse_minuit.fmin.edm:.2g}"
        return attrs.evolve(result, message=message, covariance=np.nan * result.covariance)

    def _run_hesse(self, migrad_minuit: Minuit) -> Minuit:
        values, errors = np.array(migrad_minuit.values), np.array(migrad_minuit.errors)
        hesse_minuit = self._minuit(values * self.scale, errors * self.scale, gradient=False)
        hesse_minuit.strategy = self.strategies[1]
        hesse_minuit.hesse()
        return hesse_minuit

    def _minuit(self, start: Array, steps: Array | None, gradient: bool) -> Minuit:
        from iminuit import Minuit

        minuit = Minuit(
            lambda x: self.objective.total(x * self.scale),
            start / self.scale,
            name=self.objective.names,
            grad=self._gradient if gradient and self.objective.gradient_of else None,
        )
        minuit.errordef = 1  # the objective is -2 log L
        minuit.strategy, minuit.tol = self.strategies[0], self.tolerance
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
