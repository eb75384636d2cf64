"""Newton steps to a minimum, damped and limited in length, inside the parameter limits.

The method is that of Levenberg and Marquardt (Marquardt 1963, J. SIAM 11, 431): the Fisher matrix
replaces the second derivatives, and its diagonal is increased until a step decreases the statistic.

"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

ITERATIONS = 50
TRIALS = 12
LONGEST_STEP = 5.0  # in errors: farther away the statistic is not parabolic
GROWTH = 4.0  # of the longest step, while steps gain as expected
GAIN_RATIO = 0.5  # of the expected gain: above it the longest step grows
FIRST_DAMPING = 1e-3
TOWARDS_LIMIT = 0.75  # of the distance to a limit
SNAP = 0.01  # of an error: from this distance a step may reach the limit
SINGULAR = 1e-12  # of the largest eigenvalue: smaller ones are rounding errors
ROUNDING = 1e-9  # of the largest slope: smaller ones are zero


@attrs.define(eq=False)
class Descent:
    """The end of a sequence of Newton steps.

    Parameters
    ----------
    x : array
        The parameters, shape (n,).
    errors : array
        Their errors from the Fisher matrix, shape (n,); the steps of the objective where the matrix
        has no information.
    calls : int
        Calls of the objective, its gradient and its Fisher matrix.
    converged : bool
        Whether the expected gain of the last step was below the tolerance.
    at_bound : array of bool
        Whether a parameter is at a bound beyond which the statistic would decrease, shape (n,).
    stalled : bool
        Whether the last step gained less than the smallest gain.
    """

    x: Array
    errors: Array
    calls: int
    converged: bool
    at_bound: NDArray[np.bool_]
    stalled: bool = False


def descend(
    objective: Objective,
    tolerance: float,
    x: Array | None = None,
    *,
    box: Array | None = None,
    lines: NDArray[np.int64] | None = None,
    iterations: int = ITERATIONS,
    threshold: float = np.inf,
    least_gain: float = 0.0,
) -> Descent:
    """Minimise by Newton steps.

    Parameters
    ----------
    objective : Objective
        The objective, with gradient and Fisher matrix.
    tolerance : float
        The expected gain of a step at which the search ends, in the statistic.
    x : array, optional
        Starting values, shape (n,); by default the start of the objective.
    box : array, optional
        Bounds of the parameters, shape (n, 2); by default the limits of the objective.
    lines : array of int, optional
        Indices of the parameters that may reach their bounds in one step: these are sides of a
        pixel cell, where models do not degenerate as they do at limits.
    iterations : int
        Largest number of steps.
    threshold : float
        The search ends early if twice the expected gain would leave the statistic above it.
    least_gain : float
        The search ends without convergence if a step gains less than this and less than half of the
        expected gain: at a non-differentiable line steps alternate between the two sides.

    Returns
    -------
    Descent
        The end of the search.
    """
    bounds = objective.limits if box is None else box
    x = np.clip(objective.start if x is None else x, *bounds.T)
    value, calls, damping, radius = objective.total(x), 1, 0.0, LONGEST_STEP
    may_reach_bound = np.zeros(len(x), dtype=bool)
    may_reach_bound[[] if lines is None else lines] = True
    for _ in range(iterations):
        parabola, calls = _Parabola.at(objective, x, bounds), calls + 2
        expected = parabola.gain(parabola.step(0.0))
        if threshold < np.inf and value - 2 * parabola.full_gain > threshold:
            return Descent(x, parabola.errors, calls, False, parabola.at_bound)
        lower, stalled = None, False
        for _ in range(TRIALS):
            trial = _limit_step(
                x, parabola.step(damping, radius), parabola.scale, bounds, may_reach_bound
            )
            trial_value, calls = objective.total(trial), calls + 1
            if trial_value <= value:
                lower = trial
                break
            radius = max(radius / GROWTH, LONGEST_STEP)
            if expected < tolerance:  # the remaining gain is below rounding errors
                break
            damping = max(10 * damping, FIRST_DAMPING)
        if lower is not None:
            # far from the minimum errors are small, and steps of a few errors are too short
            gain = value - trial_value
            radius *= GROWTH if damping == 0 and gain > GAIN_RATIO * expected else 1
            stalled = gain < min(least_gain, GAIN_RATIO * expected)
            x, value, damping = lower, trial_value, damping / 10
        if expected < tolerance or lower is None or stalled:
            converged = expected < tolerance
            return Descent(x, parabola.errors, calls, converged, parabola.at_bound, stalled)
    return Descent(x, parabola.errors, calls, False, parabola.at_bound)


def _limit_step(
    x: Array, step: Array, scale: Array, bounds: Array, may_reach_bound: NDArray[np.bool_]
) -> Array:
    """Return the end of a step, cut at a part of the distance to a limit unless it is close.

    At limits models degenerate: a source without width or flux has no slopes that lead back.

    Parameters
    ----------
    x, step, scale : array
        Parameters, step and errors, shape (n,).
    bounds : array
        Lower and upper bounds, shape (n, 2).
    may_reach_bound : array of bool
        Whether a parameter may reach its bound in one step, shape (n,).

    Returns
    -------
    array
        The parameters after the step, shape (n,).
    """
    trial = x + step
    for limit, side in zip(bounds.T, (-1, 1), strict=True):
        is_beyond = (trial - limit) * side > 0
        reaches_limit = may_reach_bound | (np.abs(limit - x) <= SNAP * scale)
        limited = np.where(reaches_limit, limit, x + TOWARDS_LIMIT * (limit - x))
        trial = np.where(is_beyond, limited, trial)
    return trial


def _is_resolved(values: Array) -> NDArray[np.bool_]:
    """Return whether eigenvalues are larger than rounding errors."""
    size = np.abs(values)
    return np.asarray(size > SINGULAR * np.max(size, initial=0))


@attrs.define(eq=False, slots=False)
class _Parabola:
    """The statistic around a point as a parabola, in units of the errors."""

    gradient: Array
    matrix: Array
    scale: Array
    at_bound: NDArray[np.bool_]
    steps: Array

    @classmethod
    def at(cls, objective: Objective, x: Array, bounds: Array) -> _Parabola:
        """Return the parabola around a point, with the parameters at bounds fixed."""
        gradient, matrix = objective.gradient(x), objective.fisher(x)
        assert gradient is not None
        assert matrix is not None
        low, high = bounds.T
        at_bound = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        steps = np.abs(objective.start) if objective.steps is None else objective.steps
        diagonal = np.diag(matrix)
        is_positive = np.isfinite(diagonal) & (diagonal > 0)
        steps = np.where(steps > 0, steps, 1)
        scale = np.where(is_positive, np.sqrt(2 / np.where(is_positive, diagonal, 1)), steps)
        scaled = np.nan_to_num(matrix * np.outer(scale, scale))
        scaled[at_bound] = scaled[:, at_bound] = 0
        gradient = np.where(at_bound, 0, np.nan_to_num(gradient) * scale)
        return cls(gradient, scaled, scale, at_bound, steps)

    @cached_property
    def decomposition(self) -> tuple[Array, Array]:
        """The eigenvalues and eigenvectors of the matrix, as `numpy.linalg.eigh`."""
        values, axes = np.linalg.eigh(self.matrix)
        return values, axes

    @property
    def errors(self) -> Array:
        """The errors of the parameters, shape (n,); steps of the objective where there are none."""
        values, axes = self.decomposition
        resolved = _is_resolved(values)
        variances = np.square(axes[:, resolved]) @ (1 / values[resolved])
        spread = np.sqrt(np.maximum(2 * variances, 0))
        return np.where((spread > 0) & ~self.at_bound, spread * self.scale, self.steps)

    def step(self, damping: float, longest: float = LONGEST_STEP) -> Array:
        """Return the step to the minimum of the damped parabola, cut to a length.

        Parameters
        ----------
        damping : float
            The relative increase of the diagonal of the matrix.
        longest : float
            The largest length of a component, in errors.

        Returns
        -------
        array
            The step, in the units of the parameters, shape (n,).
        """
        values, axes = self.decomposition
        if damping > 0:
            damped = self.matrix + damping * np.diag(np.diag(self.matrix))
            values, axes = np.linalg.eigh(damped)
        slopes = axes.T @ self.gradient
        resolved = _is_resolved(values)
        components = np.where(resolved, -slopes / np.where(resolved, np.abs(values), 1), 0)
        # a slope without curvature, as of a source without counts, is no minimum: step down
        flat = ~resolved & (np.abs(slopes) > ROUNDING * np.max(np.abs(slopes), initial=0))
        step = axes @ np.where(flat, -np.sign(slopes) * longest / (1 + damping), components)
        length = np.max(np.abs(step), initial=0)
        return step * min(1, longest / length if length else 1) * self.scale

    @property
    def full_gain(self) -> float:
        """The gain of a step of any length to the minimum of the parabola."""
        values, axes = self.decomposition
        resolved = _is_resolved(values)
        slopes = axes[:, resolved].T @ self.gradient
        return float(0.5 * np.square(slopes) @ (1 / values[resolved]))

    def gain(self, step: Array) -> float:
        """Return the expected gain of a step.

        Parameters
        ----------
        step : array
            The step, in the units of the parameters, shape (n,).

        Returns
        -------
        float
            The decrease of a parabola, if the step leads to its minimum.
        """
        return float(-0.5 * self.gradient @ (step / self.scale))
