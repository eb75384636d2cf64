"""Newton steps to a minimum, damped and limited in length, within the parameter limits.

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

MAX_ITERATIONS = 50
MAX_TRIALS = 12
MAX_STEP = 5.0  # in sigma: farther away, the statistic may not be parabolic
GROWTH = 4.0  # factor by which the maximum step grows while steps gain as expected
GAIN_RATIO = 0.5  # of the expected gain: above it, the maximum step grows
FIRST_DAMPING = 1e-3
LIMIT_FRACTION = 0.75  # steps across a limit are shortened to this fraction of the distance to it
LIMIT_MARGIN = 0.01  # in sigma: closer to a limit, a step may reach it
MIN_EIGENVALUE_RATIO = 1e-12  # smaller eigenvalues, relative to the largest, are rounding errors
ROUNDING = 1e-9  # smaller slopes, relative to the largest, are rounding errors


@attrs.define(eq=False)
class Descent:
    """The result of a sequence of Newton steps.

    Parameters
    ----------
    x : array
        The parameters, shape (n,).
    errors : array
        Their errors from the Fisher matrix, shape (n,); the steps of the objective for parameters
        that are at a bound or not constrained by the matrix.
    calls : int
        Number of calls of the objective, its gradient and its Fisher matrix.
    converged : bool
        Whether the expected gain of the last step was below the tolerance.
    at_bound : array of bool
        Whether a parameter is at a bound beyond which the statistic would decrease, shape (n,).
    stalled : bool
        Whether the last step gained less than `min_gain`, and less than half of the expected gain.
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
    bounds: Array | None = None,
    piecewise_indices: NDArray[np.int64] | None = None,
    max_iterations: int = MAX_ITERATIONS,
    threshold: float = np.inf,
    min_gain: float = 0.0,
) -> Descent:
    """Minimise by Newton steps.

    Parameters
    ----------
    objective : Objective
        The objective, with gradient and Fisher matrix.
    tolerance : float
        The search ends when the expected decrease of the statistic by a step is below this value.
    x : array, optional
        Starting values, shape (n,); by default the start of the objective.
    bounds : array, optional
        Bounds of the parameters, shape (n, 2); by default the limits of the objective.
    piecewise_indices : array of int, optional
        Indices of the parameters whose bounds are boundaries of a pixel cell. One step may reach
        these bounds. Steps towards other bounds are shortened, since models may be degenerate
        there.
    max_iterations : int
        Largest number of steps.
    threshold : float
        The search ends early if the statistic would still be above the threshold after twice the
        expected gain.
    min_gain : float
        The search ends without convergence if a step gains less than this, and less than half of
        the expected gain. Steps then alternate between two pixel cells.

    Returns
    -------
    Descent
        The result of the search.
    """
    bounds = objective.limits if bounds is None else bounds
    x = np.clip(objective.start if x is None else x, *bounds.T)
    stat, calls, damping, radius = objective.total(x), 1, 0.0, MAX_STEP
    may_reach_bound = np.zeros(len(x), dtype=bool)
    may_reach_bound[[] if piecewise_indices is None else piecewise_indices] = True
    for _ in range(max_iterations):
        parabola, calls = _Parabola.from_objective(objective, x, bounds), calls + 2
        expected = parabola.gain(parabola.step(0.0))
        if threshold < np.inf and stat - 2 * parabola.full_gain > threshold:
            return Descent(x, parabola.errors, calls, False, parabola.at_bound)
        lower_point, stalled = None, False
        for _ in range(MAX_TRIALS):
            trial = _limit_step(
                x, parabola.step(damping, radius), parabola.scale, bounds, may_reach_bound
            )
            trial_stat, calls = objective.total(trial), calls + 1
            if trial_stat <= stat:
                lower_point = trial
                break
            radius = max(radius / GROWTH, MAX_STEP)
            if expected < tolerance:  # the remaining gain is below rounding errors
                break
            damping = max(10 * damping, FIRST_DAMPING)
        if lower_point is not None:
            # far from the minimum, the errors may be small and steps of a few sigma too short
            gain = stat - trial_stat
            radius *= GROWTH if damping == 0 and gain > GAIN_RATIO * expected else 1
            stalled = gain < min(min_gain, GAIN_RATIO * expected)
            x, stat, damping = lower_point, trial_stat, damping / 10
        if expected < tolerance or lower_point is None or stalled:
            converged = expected < tolerance
            return Descent(x, parabola.errors, calls, converged, parabola.at_bound, stalled)
    return Descent(x, parabola.errors, calls, False, parabola.at_bound)


def _limit_step(
    x: Array, step: Array, scale: Array, bounds: Array, may_reach_bound: NDArray[np.bool_]
) -> Array:
    """Return the end of a step; a step across a limit is shortened to a fraction of the distance.

    Only a step that starts close to the limit may reach it. At limits models can be degenerate: if
    the width or the flux of a source is zero, the gradient is zero as well, and a search does not
    leave the limit again.

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
        reaches_limit = may_reach_bound | (np.abs(limit - x) <= LIMIT_MARGIN * scale)
        limited = np.where(reaches_limit, limit, x + LIMIT_FRACTION * (limit - x))
        trial = np.where(is_beyond, limited, trial)
    return trial


def _is_significant(eigenvalues: Array) -> NDArray[np.bool_]:
    """Return the mask of the eigenvalues that are larger than rounding errors."""
    size = np.abs(eigenvalues)
    return np.asarray(size > MIN_EIGENVALUE_RATIO * np.max(size, initial=0))


@attrs.define(eq=False, slots=False)
class _Parabola:
    """Parabolic approximation of the statistic around a point, in units of the errors."""

    gradient: Array
    matrix: Array
    scale: Array
    at_bound: NDArray[np.bool_]
    steps: Array

    @classmethod
    def from_objective(cls, objective: Objective, x: Array, bounds: Array) -> _Parabola:
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
        scaled_matrix = np.nan_to_num(matrix * np.outer(scale, scale))
        scaled_matrix[at_bound] = scaled_matrix[:, at_bound] = 0
        gradient = np.where(at_bound, 0, np.nan_to_num(gradient) * scale)
        return cls(gradient, scaled_matrix, scale, at_bound, steps)

    @cached_property
    def decomposition(self) -> tuple[Array, Array]:
        """The eigenvalues and eigenvectors of the matrix, as `numpy.linalg.eigh`."""
        eigenvalues, vectors = np.linalg.eigh(self.matrix)
        return eigenvalues, vectors

    @property
    def errors(self) -> Array:
        """The errors of the parameters, shape (n,); see `Descent`."""
        eigenvalues, vectors = self.decomposition
        is_significant = _is_significant(eigenvalues)
        variances = np.square(vectors[:, is_significant]) @ (1 / eigenvalues[is_significant])
        sigmas = np.sqrt(np.maximum(2 * variances, 0))
        return np.where((sigmas > 0) & ~self.at_bound, sigmas * self.scale, self.steps)

    def step(self, damping: float, max_step: float = MAX_STEP) -> Array:
        """Return the step to the minimum of the damped parabola, limited in length.

        Parameters
        ----------
        damping : float
            The relative increase of the diagonal of the matrix.
        max_step : float
            The largest component of the step, in sigma.

        Returns
        -------
        array
            The step, in the units of the parameters, shape (n,).
        """
        eigenvalues, vectors = self.decomposition
        if damping > 0:
            damped = self.matrix + damping * np.diag(np.diag(self.matrix))
            eigenvalues, vectors = np.linalg.eigh(damped)
        slopes = vectors.T @ self.gradient
        is_significant = _is_significant(eigenvalues)
        components = np.where(
            is_significant, -slopes / np.where(is_significant, np.abs(eigenvalues), 1), 0
        )
        # a direction with a slope but without curvature, as for a source without counts, does not
        # have a minimum: make the largest step
        is_flat = ~is_significant & (np.abs(slopes) > ROUNDING * np.max(np.abs(slopes), initial=0))
        step = vectors @ np.where(is_flat, -np.sign(slopes) * max_step / (1 + damping), components)
        length = np.max(np.abs(step), initial=0)
        return step * min(1, max_step / length if length else 1) * self.scale

    @property
    def full_gain(self) -> float:
        """The gain of the step to the minimum of the parabola, without a limit on its length."""
        eigenvalues, vectors = self.decomposition
        is_significant = _is_significant(eigenvalues)
        slopes = vectors[:, is_significant].T @ self.gradient
        return float(0.5 * np.square(slopes) @ (1 / eigenvalues[is_significant]))

    def gain(self, step: Array) -> float:
        """Return the expected gain of a step.

        Parameters
        ----------
        step : array
            The step, in the units of the parameters, shape (n,).

        Returns
        -------
        float
            The decrease of the parabola, assuming that the step leads to its minimum.
        """
        return float(-0.5 * self.gradient @ (step / self.scale))
