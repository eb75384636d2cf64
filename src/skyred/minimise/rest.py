"""The rest at its best: some parameters held, the others fitted again, from the nearest fit known.

The method is that of profile likelihoods (Rolke, Lopez & Conrad 2005, NIM A 551, 493): parameters
of no interest are at their best for each value of those of interest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.minimise.minuit import MinuitSearch
from skyred.minimise.newton import settle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.objective import Objective
    from skyred.records import FitResult

    Array = NDArray[np.float64]

TOLERANCE = 1e-4  # of a fit of the rest, in the statistic: a hundredth of what a picture shows
MINUIT_TOLERANCE = 0.05  # Minuit stops at 0.002 times this
CALLS = 10000


def holding(
    objective: Objective, places: Sequence[int], values: Sequence[float] | Array
) -> Objective:
    """Give the objective of the other parameters, with some held.

    Parameters
    ----------
    objective : Objective
        Of n parameters.
    places : sequence of int
        Which are held, shape (k,).
    values : sequence of float
        At which values, shape (k,).

    Returns
    -------
    Objective
        Of the n - k others, in their order. Its priors are those of all n parameters.
    """
    free = np.setdiff1d(np.arange(len(objective.names)), places)
    whole = objective.start.copy()
    whole[list(places)] = values

    def full(x: Array) -> Array:
        complete = whole.copy()
        complete[free] = x
        return complete

    def of_free(known: Any) -> Any:
        return None if known is None else np.asarray(known)[free]

    gradient, fisher = objective.gradient_of, objective.fisher_of
    remainder = objective.remainder
    return attrs.evolve(
        objective,
        names=[objective.names[place] for place in free],
        units=[objective.units[place] for place in free],
        start=objective.start[free],
        limits=objective.limits[free],
        steps=of_free(objective.steps),
        rough=of_free(objective.rough),
        stat=lambda x: objective.stat(full(x)),
        prior=None if objective.prior is None else lambda x: objective.prior_stat(full(x)),
        remainder=None if remainder is None else lambda x: remainder(full(x)),
        quantiles=[objective.quantiles[place] for place in free] if objective.quantiles else (),
        gradient_of=None if gradient is None else lambda x: gradient(full(x))[free],
        fisher_of=None if fisher is None else lambda x: fisher(full(x))[np.ix_(free, free)],
        on_accept=None,
    )


@attrs.frozen(eq=False)
class Rested:
    """A fit of the rest.

    Parameters
    ----------
    values : array
        All parameters, shape (n,).
    stat : float
        The statistic with priors.
    success : bool
        Whether the rest is at a minimum.
    """

    values: Array
    stat: float
    success: bool


class Rest:
    """Fits what is not held, each time from the nearest fit that is known.

    Parameters
    ----------
    objective : Objective
        Of all parameters.
    best : FitResult
        Its minimum.
    places : sequence of int
        Which parameters are held, shape (k,).

    Raises
    ------
    FitError
        If the best fit has no covariance.
    """

    def __init__(self, objective: Objective, best: FitResult, places: Sequence[int]) -> None:
        if not np.all(np.isfinite(best.errors[list(places)]) & (best.errors[list(places)] > 0)):
            names = ", ".join(objective.names[place] for place in places)
            raise FitError(f"the fit has no errors of {names}: {best.message or 'it did not end'}")
        self.objective, self.places = objective, list(places)
        self.best = Rested(np.array(best.values), best.stat, True)
        self.errors = np.array(best.errors[self.places])
        covariance = np.nan_to_num(best.covariance)
        held = covariance[np.ix_(self.places, self.places)]
        # how the best values of all parameters move with those that are held
        self.slope = covariance[:, self.places] @ np.linalg.pinv(held, hermitian=True)
        self.known = [self.best]

    def fit(self, values: Sequence[float] | Array) -> Rested:
        """Fit the rest, with the held parameters at some values, shape (k,)."""
        wanted = np.asarray(values, dtype=float)
        near = self._nearest(wanted)
        start = near.values + self.slope @ (wanted - near.values[self.places])
        start = np.clip(start, *self.objective.limits.T)
        start[self.places] = wanted
        found = self._from(start)
        if not found.success:  # far away the nearest fit may mislead
            again = self._from(np.where(self._held(), start, self.best.values))
            found = min(found, again, key=lambda each: (not each.success, each.stat))
        if found.success:
            self.known.append(found)
        return found

    def _held(self) -> NDArray[np.bool_]:
        held = np.zeros(len(self.objective.names), dtype=bool)
        held[self.places] = True
        return held

    def _nearest(self, wanted: Array) -> Rested:
        def distance(known: Rested) -> float:
            return float(np.sum(((known.values[self.places] - wanted) / self.errors) ** 2))

        return min(self.known, key=distance)

    def _from(self, start: Array) -> Rested:
        objective = attrs.evolve(self.objective, start=start)
        rest = holding(objective, self.places, start[self.places])
        x, success = fit_all(rest)
        values = start.copy()
        values[~self._held()] = x
        stat = self.objective.total(values)
        return Rested(values, stat, success and bool(np.isfinite(stat)))


def fit_all(objective: Objective) -> tuple[Array, bool]:
    """Find the minimum without its covariance: by Newton steps, or by MIGRAD if they do not do."""
    if not objective.names:
        return objective.start, True
    start, errors = objective.start, objective.steps
    if not np.isfinite(objective.total(start)):
        return start, False
    if objective.gradient_of is not None and objective.fisher_of is not None:
        newton = settle(objective, TOLERANCE)
        if newton.converged:
            return newton.x, True
        start, errors = newton.x, newton.errors
    minuit = MinuitSearch(objective, 1, MINUIT_TOLERANCE, CALLS)
    found = minuit.migrad(start, errors, gradient=False)
    # what MIGRAD says of its covariance is of no matter here
    lower = objective.total(found.values) <= objective.total(start)
    return (found.values, not found.message) if lower else (start, False)
