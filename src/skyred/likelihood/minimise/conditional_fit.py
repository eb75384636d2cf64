"""Conditional fits: some parameters are fixed, and the others fitted.

The method is that of profile likelihoods (Rolke, Lopez & Conrad 2005, NIM A 551, 493): nuisance
parameters are fitted at each value of the parameters of interest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.likelihood.minimise.conditional import conditional_objective
from skyred.likelihood.minimise.minuit import HESSE_STRATEGY, MinuitSearch
from skyred.likelihood.minimise.pixel_cells import CellSearch
from skyred.likelihood.minimise.pixel_coordinates import PixelCoordinates
from skyred.likelihood.minimise.sharp_edge_search import SharpEdgeSearch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult

    Array = NDArray[np.float64]

TOLERANCE = 1e-4  # of a conditional fit, in the statistic: not visible in figures
MINUIT_TOLERANCE = 0.05  # Minuit ends at an estimated distance of 0.002 times this
MAX_CALLS = 10000  # of an objective without derivatives, with MIGRAD
MAX_CALLS_WITH_GRADIENT = 500  # of an objective with derivatives, if Newton steps failed


@attrs.frozen(eq=False)
class ConditionalMinimum:
    """The result of a conditional fit.

    Parameters
    ----------
    values : array
        Values of all parameters, shape (n,).
    stat : float
        The statistic with priors.
    success : bool
        Whether the fit converged.
    """

    values: Array
    stat: float
    success: bool


class ConditionalFit:
    """Conditional fits of an objective; each starts from the nearest previous fit.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters.
    best : FitResult
        The minimum of the objective.
    indices : sequence of int
        Indices of the k fixed parameters, shape (k,).

    Attributes
    ----------
    fixed : list of int
        Indices of the fixed parameters.
    minima : list of ConditionalMinimum
        The best fit and all successful conditional fits.
    lowest : ConditionalMinimum
        The lowest of the best fit and all conditional fits, including those that failed.

    Raises
    ------
    FitError
        If the best fit has no valid errors for the fixed parameters.
    """

    def __init__(self, objective: Objective, best: FitResult, indices: Sequence[int]) -> None:
        if not np.all(np.isfinite(best.errors[list(indices)]) & (best.errors[list(indices)] > 0)):
            names = ", ".join(objective.names[index] for index in indices)
            raise FitError(
                f"the fit has no valid errors for {names}: {best.message or 'it did not converge'}"
            )
        self.objective, self.fixed = objective, list(indices)
        self.best = ConditionalMinimum(np.array(best.values), best.stat, True)
        self.errors = np.array(best.errors[self.fixed])
        covariance = np.nan_to_num(best.covariance)
        fixed_covariance = covariance[np.ix_(self.fixed, self.fixed)]
        # derivatives of the best values of all parameters with respect to the fixed parameters
        self.jacobian = covariance[:, self.fixed] @ np.linalg.pinv(fixed_covariance, hermitian=True)
        self.minima, self.lowest = [self.best], self.best

    def fit(self, values: Sequence[float] | Array) -> ConditionalMinimum:
        """Fit the free parameters, with the fixed parameters at the given values.

        Parameters
        ----------
        values : sequence of float
            Values of the fixed parameters, shape (k,).

        Returns
        -------
        ConditionalMinimum
            Values of all parameters, and the statistic.
        """
        fixed_values = np.asarray(values, dtype=float)
        nearest = self._nearest_minimum(fixed_values)
        start = nearest.values + self.jacobian @ (fixed_values - nearest.values[self.fixed])
        start = np.clip(start, *self.objective.limits.T)
        start[self.fixed] = fixed_values
        minimum = self._fit_from(start)
        if not minimum.success:
            # far from the best fit, the nearest fit may be a poor starting point
            new_minimum = self._fit_from(np.where(self._is_fixed(), start, self.best.values))
            minimum = min(
                minimum, new_minimum, key=lambda candidate: (not candidate.success, candidate.stat)
            )
        if minimum.success:
            self.minima.append(minimum)
        return minimum

    def _is_fixed(self) -> NDArray[np.bool_]:
        is_fixed = np.zeros(len(self.objective.names), dtype=bool)
        is_fixed[self.fixed] = True
        return is_fixed

    def _nearest_minimum(self, fixed_values: Array) -> ConditionalMinimum:
        def distance(minimum: ConditionalMinimum) -> float:
            return float(np.sum(((minimum.values[self.fixed] - fixed_values) / self.errors) ** 2))

        return min(self.minima, key=distance)

    def _fit_from(self, start: Array) -> ConditionalMinimum:
        free = np.flatnonzero(~self._is_fixed())
        x, success = fit_without_covariance(conditional_objective(self.objective, free, start))
        values = start.copy()
        values[~self._is_fixed()] = x
        stat = self.objective.total(values)
        minimum = ConditionalMinimum(values, stat, success and bool(np.isfinite(stat)))
        if stat < self.lowest.stat:
            self.lowest = minimum
        return minimum


def fit_without_covariance(objective: Objective) -> tuple[Array, bool]:
    """Find the minimum, without its covariance, by Newton steps, or with MIGRAD if these fail.

    If there are sources with sharp edges, `SharpEdgeSearch.update` searches for the minimum
    instead, and the fit always counts as converged.

    Parameters
    ----------
    objective : Objective
        An objective that starts near its minimum.

    Returns
    -------
    x : array
        The minimum, shape (n,).
    success : bool
        Whether the fit converged.
    """
    if not objective.names:
        return objective.start, True
    start, steps = objective.start, objective.steps
    if not np.isfinite(objective.total(start)):
        return start, False
    if objective.gradient_of is not None and objective.fisher_of is not None:
        sources = objective.sharp(start) if objective.sharp else ()
        if sources:
            return SharpEdgeSearch(objective, TOLERANCE).update(start, sources), True
        pixels = PixelCoordinates(objective, start)
        cells = CellSearch(pixels, TOLERANCE, TOLERANCE)
        end = cells.descend(pixels.to_pixels(start))
        start = np.clip(pixels.to_sky(end.x), *objective.limits.T)
        if end.converged:
            return start, True
    max_calls = MAX_CALLS if objective.gradient_of is None else MAX_CALLS_WITH_GRADIENT
    minuit = MinuitSearch(objective, (1, HESSE_STRATEGY), MINUIT_TOLERANCE, max_calls)
    result = minuit.migrad(start, steps)
    is_lower = objective.total(result.values) <= objective.total(start)
    return (result.values, not result.message) if is_lower else (start, False)
