"""An objective as gammapy's backends want it: gammapy's parameters, and a function of nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from gammapy.modeling import Parameters
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

CLOSE = 1e-3  # in steps: a search that comes so close to a limit may have ended at it
ALIKE = 1e-6  # in the statistic: it is the same at the limit


@attrs.define(eq=False)
class Scaled:
    """An objective over factors: steps from the start, each of about an error.

    gammapy's own factors are of order one, whatever the errors: an absolute tolerance of 1e-4, as
    scipy has, would then be the whole error of a position.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    calls : int
        Calls of it so far.
    """

    objective: Objective
    calls: int = 0
    steps: Array = attrs.field(init=False)
    first: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        start, steps = np.abs(self.objective.start), self.objective.steps
        known = np.zeros_like(start) if steps is None else np.abs(steps)
        known = np.where(np.isfinite(known) & (known > 0), known, start)
        self.steps = np.where(known > 0, known, 1.0)
        self.first = self.objective.total(self.objective.start)
        self.calls += 1

    @property
    def limits(self) -> Array:
        """Limits of the factors, shape (n, 2)."""
        return (self.objective.limits - self.objective.start[:, None]) / self.steps[:, None]

    def values(self, factors: Array) -> Array:
        """Give the parameters of factors, at a limit if that is where they end.

        How close a step is may be misjudged: the statistic must be no higher at the limit.
        """
        low, high = self.objective.limits.T
        values = np.clip(self.objective.start + self.steps * factors, low, high)
        below, above = values - low < CLOSE * self.steps, high - values < CLOSE * self.steps
        lowest = self._total(values) + ALIKE
        for at in np.flatnonzero(below | above):
            trial = values.copy()
            trial[at] = low[at] if below[at] else high[at]
            if self._total(trial) <= lowest:
                values = trial
        return values

    def factors(self, values: Array) -> Array:
        """Give the factors of parameters."""
        return np.asarray((values - self.objective.start) / self.steps)

    def _total(self, values: Array) -> float:
        self.calls += 1
        return self.objective.total(values)

    def stat(self, factors: Array) -> float:
        """Give the total less that at the start; inf where it is no number, or beyond limits."""
        values = self.objective.start + self.steps * factors
        low, high = self.objective.limits.T
        spare = 1e-9 * self.steps  # the way there and back costs digits
        if np.any(values < low - spare) or np.any(values > high + spare):
            return float("inf")
        total = self._total(np.clip(values, low, high)) - self.first
        return float("inf") if np.isnan(total) else total

    def gradient(self, factors: Array) -> Array:
        """Give the gradient along the factors, if the objective has one."""
        self.calls += 1
        values = np.clip(self.objective.start + self.steps * factors, *self.objective.limits.T)
        return self.objective.gradient(values) * self.steps  # type: ignore[operator]

    def parameters(self, factors: Array, held: NDArray[np.bool_] | None = None) -> Parameters:
        """Give factors as parameters of gammapy, some of them frozen."""
        from gammapy.modeling import Parameter, Parameters

        low, high = np.where(np.isfinite(self.limits), self.limits, np.nan).T
        held = np.zeros(len(factors), dtype=bool) if held is None else held
        return Parameters(
            [
                Parameter(f"par{at}", factor, min=low[at], max=high[at], error=1, frozen=held[at])
                for at, factor in enumerate(factors)
            ]
        )

    def function(self, parameters: Parameters) -> Any:
        """Give the statistic as a function of what the parameters are when it is called."""
        return lambda: self.stat(np.array([each.value for each in parameters]))
