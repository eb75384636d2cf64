"""Objectives with scaled parameters, for gammapy's backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from gammapy.modeling import Parameters
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

LIMIT_MARGIN = 1e-3  # in steps: a parameter that ends this close to a limit is moved to the limit
STAT_TOLERANCE = 1e-6  # smaller differences of the statistic are ignored


@attrs.define(eq=False)
class ScaledObjective:
    """An objective as a function of scaled offsets: offsets from the start, in units of a step.

    A step is about one error. gammapy's factors of parameters are of order one, independent of the
    errors. With those, an absolute tolerance of 1e-4, as in scipy, could be as large as the error
    of a position.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    calls : int
        The number of evaluations of the objective so far.
    """

    objective: Objective
    calls: int = 0
    steps: Array = attrs.field(init=False)
    start_stat: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        start, steps = np.abs(self.objective.start), self.objective.steps
        sizes = np.zeros_like(start) if steps is None else np.abs(steps)
        sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, start)
        self.steps = np.where(sizes > 0, sizes, 1.0)
        self.start_stat = self.objective.total(self.objective.start)
        self.calls += 1

    @property
    def limits(self) -> Array:
        """The limits of the scaled offsets, shape (n, 2)."""
        return (self.objective.limits - self.objective.start[:, None]) / self.steps[:, None]

    def to_values(self, offsets: Array) -> Array:
        """Convert the scaled offsets at the end of a search to parameter values.

        A parameter very close to a limit is moved to the limit, but only if the statistic is not
        higher there, since the step sizes are estimates.

        Parameters
        ----------
        offsets : numpy.ndarray
            The scaled offsets, shape (n,).

        Returns
        -------
        numpy.ndarray
            The values of the parameters, shape (n,).
        """
        low, high = self.objective.limits.T
        values = np.clip(self.objective.start + self.steps * offsets, low, high)
        margin = LIMIT_MARGIN * self.steps
        near_low, near_high = values - low < margin, high - values < margin
        max_stat = self._evaluate(values) + STAT_TOLERANCE
        for index in np.flatnonzero(near_low | near_high):
            trial = values.copy()
            trial[index] = low[index] if near_low[index] else high[index]
            if self._evaluate(trial) <= max_stat:
                values = trial
        return values

    def to_offsets(self, values: Array) -> Array:
        """Convert parameter values to scaled offsets.

        Parameters
        ----------
        values : numpy.ndarray
            The values of the parameters, shape (n,).

        Returns
        -------
        numpy.ndarray
            The scaled offsets, shape (n,).
        """
        return np.asarray((values - self.objective.start) / self.steps)

    def _evaluate(self, values: Array) -> float:
        """Return the statistic, and count the call.

        Parameters
        ----------
        values : numpy.ndarray
            The values of the parameters, shape (n,).

        Returns
        -------
        float
            The statistic.
        """
        self.calls += 1
        return self.objective.total(values)

    def stat(self, offsets: Array) -> float:
        """Return the statistic relative to the start.

        Parameters
        ----------
        offsets : numpy.ndarray
            The scaled offsets, shape (n,).

        Returns
        -------
        float
            The difference from the statistic at the start; inf if it is NaN, or if an offset is
            beyond its limits.
        """
        values = self.objective.start + self.steps * offsets
        low, high = self.objective.limits.T
        margin = 1e-9 * self.steps  # scaling causes rounding errors
        if np.any(values < low - margin) or np.any(values > high + margin):
            return float("inf")
        difference = self._evaluate(np.clip(values, low, high)) - self.start_stat
        return float("inf") if np.isnan(difference) else difference

    def gradient(self, offsets: Array) -> Array:
        """Return the gradient with respect to the scaled offsets.

        The objective must have a gradient.

        Parameters
        ----------
        offsets : numpy.ndarray
            The scaled offsets, shape (n,).

        Returns
        -------
        numpy.ndarray
            The derivatives, shape (n,).
        """
        self.calls += 1
        values = np.clip(self.objective.start + self.steps * offsets, *self.objective.limits.T)
        return self.objective.gradient(values) * self.steps  # type: ignore[operator]

    def create_parameters(
        self, offsets: Array, frozen: NDArray[np.bool_] | None = None
    ) -> Parameters:
        """Create gammapy parameters with the scaled offsets as values.

        Parameters
        ----------
        offsets : numpy.ndarray
            The scaled offsets, shape (n,).
        frozen : numpy.ndarray of bool, optional
            Whether each parameter is frozen, shape (n,); by default all are free.

        Returns
        -------
        gammapy.modeling.Parameters
            The parameters, with the limits of the scaled offsets.
        """
        from gammapy.modeling import Parameter, Parameters

        low, high = np.where(np.isfinite(self.limits), self.limits, np.nan).T
        frozen = np.zeros(len(offsets), dtype=bool) if frozen is None else frozen
        return Parameters(
            [
                Parameter(
                    f"par{index}",
                    offset,
                    min=low[index],
                    max=high[index],
                    error=1,
                    frozen=frozen[index],
                )
                for index, offset in enumerate(offsets)
            ]
        )

    def create_function(self, parameters: Parameters) -> Any:
        """Create a function without arguments that returns the statistic, for gammapy's backends.

        Parameters
        ----------
        parameters : gammapy.modeling.Parameters
            The parameters; their values are read at each call.

        Returns
        -------
        callable
            The function.
        """
        return lambda: self.stat(np.array([parameter.value for parameter in parameters]))
