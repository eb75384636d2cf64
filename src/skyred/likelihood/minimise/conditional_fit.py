"""Conditional fits: some parameters fixed, the others fitted, from the nearest fit that is known.

The method is that of profile likelihoods (Rolke, Lopez & Conrad 2005, NIM A 551, 493): parameters
of no interest are at their best for each value of those of interest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.likelihood.minimise.conditional import conditional
from skyred.likelihood.minimise.minuit import MinuitSearch
from skyred.likelihood.minimise.pixel_cells import CellSearch
from skyred.likelihood.minimise.pixel_coordinates import PixelCoordinates
from skyred.likelihood.minimise.sharp_search import SharpSearch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult

    Array = NDArray[np.float64]

TOLERANCE = 1e-4  # of a fit of the rest, in the statistic: a hundredth of what a picture shows
MINUIT_TOLERANCE = 0.05  # Minuit stops at 0.002 times this
CALLS = 10000  # without derivatives
CALLS_WITH_GRADIENT = 500  # a fit that Newton steps could not do, and that takes more, is given up


@attrs.frozen(eq=False)
class ConditionalMinimum:
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


class ConditionalFit:
    """Fits what is not held, each time from the nearest fit that is known.

    Parameters
    ----------
    objective : Objective
        Of all parameters.
    best : FitResult
        Its minimum.
    places : sequence of int
        Which parameters are held, shape (k,).

    Attributes
    ----------
    lowest : ConditionalMinimum
        The lowest of the best fit and all fits of the rest, even of those without success.

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
        self.best = ConditionalMinimum(np.array(best.values), best.stat, True)
        self.errors = np.array(best.errors[self.places])
        covariance = np.nan_to_num(best.covariance)
        held = covariance[np.ix_(self.places, self.places)]
        # how the best values of all parameters move with those that are held
        self.slope = covariance[:, self.places] @ np.linalg.pinv(held, hermitian=True)
        self.known, self.lowest = [self.best], self.best

    def fit(self, values: Sequence[float] | Array) -> ConditionalMinimum:
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

    def _nearest(self, wanted: Array) -> ConditionalMinimum:
        def distance(known: ConditionalMinimum) -> float:
            return float(np.sum(((known.values[self.places] - wanted) / self.errors) ** 2))

        return min(self.known, key=distance)

    def _from(self, start: Array) -> ConditionalMinimum:
        free = np.flatnonzero(~self._held())
        x, success = fit_all(conditional(self.objective, free, start))
        values = start.copy()
        values[~self._held()] = x
        stat = self.objective.total(values)
        rested = ConditionalMinimum(values, stat, success and bool(np.isfinite(stat)))
        if stat < self.lowest.stat:
            self.lowest = rested
        return rested


def fit_all(objective: Objective) -> tuple[Array, bool]:
    """Find the minimum without its covariance: by Newton steps, or by MIGRAD if these fail.

    Parameters
    ----------
    objective : Objective
        With a start near the minimum.

    Returns
    -------
    x : array
        The minimum, shape (n,).
    success : bool
        Whether it is one.
    """
    if not objective.names:
        return objective.start, True
    start, errors = objective.start, objective.steps
    if not np.isfinite(objective.total(start)):
        return start, False
    if objective.gradient_of is not None and objective.fisher_of is not None:
        sources = objective.sharp(start) if objective.sharp else ()
        if sources:
            return SharpSearch(objective, TOLERANCE).follow(start, sources), True
        pixels = PixelCoordinates(objective, start)
        cells = CellSearch(pixels, TOLERANCE, TOLERANCE)
        end = cells.descend(pixels.to_pixels(start))
        start = np.clip(pixels.to_sky(end.x), *objective.limits.T)
        if end.converged:
            return start, True
    calls = CALLS if objective.gradient_of is None else CALLS_WITH_GRADIENT
    minuit = MinuitSearch(objective, 1, MINUIT_TOLERANCE, calls)
    search = minuit.migrad(start, errors)
    # a failure of HESSE does not matter here
    lower = objective.total(search.values) <= objective.total(start)
    return (search.values, not search.message) if lower else (start, False)
