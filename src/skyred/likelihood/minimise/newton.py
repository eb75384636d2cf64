"""Newton steps: to a minimum by gradient and Fisher matrix, with limits.

The method is that of Levenberg and Marquardt (Marquardt 1963, J. SIAM 11, 431): the Fisher matrix
stands for the second derivatives, and is made steeper until a step leads down.
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
LONGEST_STEP = 5.0  # in errors: beyond, the statistic is no parabola
GROWTH = 4.0  # of the longest step, where steps keep gaining what they should
FAR = 0.5  # of the expected gain of the step that was cut
FIRST_DAMPING = 1e-3
TOWARDS_LIMIT = 0.75  # of the way
SNAP = 0.01  # of an error, from which a step goes to the limit
SINGULAR = 1e-12  # of the largest eigenvalue, below which a direction is not known
ROUNDING = 1e-9  # of the largest slope, below which there is none


@attrs.define(eq=False)
class Descent:
    """Where Newton steps led.

    Parameters
    ----------
    x : array
        The parameters, shape (n,).
    errors : array
        Their errors by the Fisher matrix; where it knows none, the objective's steps.
    calls : int
        Calls of the objective, its gradient and its Fisher matrix.
    converged : bool
        Whether no step could lead down by more than the tolerance.
    held : array of bool
        Which parameters a limit keeps from going down, shape (n,).
    """

    x: Array
    errors: Array
    calls: int
    converged: bool
    held: NDArray[np.bool_]


def descend(
    objective: Objective,
    tolerance: float,
    x: Array | None = None,
    *,
    box: Array | None = None,
    lines: NDArray[np.int64] | None = None,
    iterations: int = ITERATIONS,
    level: float = np.inf,
    least_gain: float = 0.0,
) -> Descent:
    """Go down by Newton steps.

    Parameters
    ----------
    objective : Objective
        With gradient and Fisher matrix.
    tolerance : float
        The expected gain of a step at which to stop.
    x : array, optional
        Where to begin, shape (n,); by default at the objective's start.
    box : array, optional
        Bounds to stay within, shape (n, 2); by default the limits of the objective.
    lines : array of int, optional
        The parameters whose bounds may be reached in one step: sides of a pixel cell, where models
        do not degenerate as they do at limits.
    iterations : int
        Largest number of steps.
    level : float
        A statistic that is of no interest if it is not reached: the search ends where twice the
        expected gain would still leave it above.
    least_gain : float
        The gain of a step below which the search ends without having converged, if the step gains
        less than half of the expected: at a non-differentiable line steps lead from side to side.

    Returns
    -------
    Descent
        Where it ended.
    """
    bounds = objective.limits if box is None else box
    x = np.clip(objective.start if x is None else x, *bounds.T)
    value, calls, damping, radius = objective.total(x), 1, 0.0, LONGEST_STEP
    direct = np.zeros(len(x), dtype=bool)
    direct[[] if lines is None else lines] = True
    for _ in range(iterations):
        parabola, calls = _Parabola.at(objective, x, bounds), calls + 2
        expected = parabola.gain(parabola.step(0.0))
        if level < np.inf and value - 2 * parabola.full_gain > level:
            return Descent(x, parabola.errors, calls, False, parabola.held)
        lower = None
        for _ in range(TRIALS):
            trial = _inside(x, parabola.step(damping, radius), parabola.scale, bounds, direct)
            there, calls = objective.total(trial), calls + 1
            if there <= value:
                lower = trial
                break
            radius = max(radius / GROWTH, LONGEST_STEP)
            if expected < tolerance:  # the remaining gain is lost in rounding
                break
            damping = max(10 * damping, FIRST_DAMPING)
        if lower is not None:
            # far from the minimum errors are small, and steps of some errors lead nowhere
            gain = value - there
            radius *= GROWTH if damping == 0 and gain > FAR * expected else 1
            stalled = gain < min(least_gain, FAR * expected)
            x, value, damping = lower, there, damping / 10
        if expected < tolerance or lower is None or stalled:
            return Descent(x, parabola.errors, calls, expected < tolerance, parabola.held)
    return Descent(x, parabola.errors, calls, False, parabola.held)


def _inside(x: Array, step: Array, scale: Array, bounds: Array, direct: NDArray[np.bool_]) -> Array:
    """Return the end of a step; towards a limit only part of the way, until it is near.

    At limits models degenerate: a source without width, or flux, has no slopes that lead back.
    """
    trial = x + step
    for limit, side in zip(bounds.T, (-1, 1), strict=True):
        beyond = (trial - limit) * side > 0
        near = direct | (np.abs(limit - x) <= SNAP * scale)
        there = np.where(near, limit, x + TOWARDS_LIMIT * (limit - x))
        trial = np.where(beyond, there, trial)
    return trial


def _known(values: Array) -> NDArray[np.bool_]:
    """Return which eigenvalues are no rounding errors."""
    size = np.abs(values)
    return np.asarray(size > SINGULAR * np.max(size, initial=0))


@attrs.define(eq=False, slots=False)
class _Parabola:
    """The statistic around a point, in units of the errors: gradient and second derivatives."""

    gradient: Array
    matrix: Array
    scale: Array
    held: NDArray[np.bool_]
    steps: Array

    @classmethod
    def at(cls, objective: Objective, x: Array, bounds: Array) -> _Parabola:
        gradient, matrix = objective.gradient(x), objective.fisher(x)
        assert gradient is not None
        assert matrix is not None
        low, high = bounds.T
        held = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        steps = np.abs(objective.start) if objective.steps is None else objective.steps
        diagonal = np.diag(matrix)
        known = np.isfinite(diagonal) & (diagonal > 0)
        steps = np.where(steps > 0, steps, 1)
        scale = np.where(known, np.sqrt(2 / np.where(known, diagonal, 1)), steps)
        scaled = np.nan_to_num(matrix * np.outer(scale, scale))
        scaled[held] = scaled[:, held] = 0
        gradient = np.where(held, 0, np.nan_to_num(gradient) * scale)
        return cls(gradient, scaled, scale, held, steps)

    @cached_property
    def decomposition(self) -> tuple[Array, Array]:
        """The eigenvalues and eigenvectors of the matrix, as `numpy.linalg.eigh`."""
        values, axes = np.linalg.eigh(self.matrix)
        return values, axes

    @property
    def errors(self) -> Array:
        """The errors of the parameters; where they are not known, their steps."""
        values, axes = self.decomposition
        known = _known(values)
        variances = np.square(axes[:, known]) @ (1 / values[known])
        spread = np.sqrt(np.maximum(2 * variances, 0))
        return np.where((spread > 0) & ~self.held, spread * self.scale, self.steps)

    def step(self, damping: float, longest: float = LONGEST_STEP) -> Array:
        """Return the step to the minimum of the damped parabola, cut to a length in errors."""
        values, axes = self.decomposition
        if damping > 0:
            damped = self.matrix + damping * np.diag(np.diag(self.matrix))
            values, axes = np.linalg.eigh(damped)
        slopes = axes.T @ self.gradient
        known = _known(values)
        along = np.where(known, -slopes / np.where(known, np.abs(values), 1), 0)
        # a slope without curvature, as of a source without any counts, is no minimum: go down it
        flat = ~known & (np.abs(slopes) > ROUNDING * np.max(np.abs(slopes), initial=0))
        step = axes @ np.where(flat, -np.sign(slopes) * longest / (1 + damping), along)
        length = np.max(np.abs(step), initial=0)
        return step * min(1, longest / length if length else 1) * self.scale

    @property
    def full_gain(self) -> float:
        """The gain of a step to the minimum of the parabola, however long."""
        values, axes = self.decomposition
        known = _known(values)
        slopes = axes[:, known].T @ self.gradient
        return float(0.5 * np.square(slopes) @ (1 / values[known]))

    def gain(self, step: Array) -> float:
        """Give what a step is expected to gain."""
        return float(-0.5 * self.gradient @ (step / self.scale))
