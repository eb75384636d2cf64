"""The covariance at a minimum: second derivatives by differences of the exact gradient.

They are taken in scaled and decorrelated directions, in which the statistic is about a circle, so
they do not depend on units, scales or the reference energy of a spectrum. Minuit's HESSE takes
differences of the statistic itself along the parameters: where these are nearly degenerate, it
ends far off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.curvature import block_curvature
from skyred.likelihood.minimise.degeneracy import (
    constrained_covariance,
    flat_parameters,
    measure_soft_directions,
)
from skyred.likelihood.minimise.logarithmic_factors import LogarithmicFactors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

NEAR_LINE = 0.5  # errors: positions closer to a non-differentiable line have no second derivative
RISES = 8  # evaluations at most, to find where the statistic has risen by one
RISE_ACCURACY = 0.01


@attrs.define(eq=False)
class Hessian:
    """The curvature at a minimum.

    Parameters
    ----------
    covariance : array
        Shape (n, n). A parameter that is held at its limit has its own variance, and no
        correlation. NaN where the curvature is not positive: of all parameters, or if it is zero of
        those that it leaves open.
    edm : float
        Estimated distance to the minimum, in the statistic.
    step : array
        From here to that minimum, shape (n,).
    calls : int
        Calls of the gradient.
    flat : list of str
        The parameters along which the curvature is not positive; none if all is well.
    level : bool
        Whether it is zero there, not negative: then all around is as good.
    on_lines : array of bool
        Positions close to a non-differentiable line: their slope is no distance from the minimum,
        for the statistic may rise to both sides, shape (n,).
    """

    covariance: Array
    edm: float
    step: Array
    calls: int
    flat: list[str]
    level: bool = False
    on_lines: NDArray[np.bool_] = attrs.field(factory=lambda: np.zeros(0, dtype=bool))

    def at(self, gradient: Array) -> Hessian:
        """Return the same curvature with the distance to the minimum for another gradient."""
        downhill = np.where(self.on_lines, 0, gradient)
        step = -self.covariance @ downhill / 2
        return attrs.evolve(self, edm=float(-0.5 * downhill @ step), step=step)


def hesse(
    objective: Objective, x: Array, held: NDArray[np.bool_], lines: Sequence[int] | Index = ()
) -> Hessian:
    """Compute the second derivatives of an objective's total.

    Parameters
    ----------
    objective : Objective
        With gradient and Fisher matrix.
    x : array
        The minimum, shape (n,).
    held : array of bool
        Which parameters a limit holds there, shape (n,).
    lines : sequence of int
        Pixel coordinates, which have no second derivative at integers. Close to one, the curvature
        is that of the parabola which has risen by one as far away as the statistic has.

    Returns
    -------
    Hessian
        The covariance and what goes with it.
    """
    logarithmic = LogarithmicFactors(objective, x)
    matrix, calls, on_lines = _matrix(
        logarithmic.objective, logarithmic.start, held, np.array(lines, dtype=int)
    )
    gradient = objective.gradient(x)
    assert gradient is not None
    free, scale = ~held, logarithmic.scale
    names = [name for name, wanted in zip(objective.names, free, strict=True) if wanted]
    flat, level = flat_parameters(matrix[np.ix_(free, free)], names)
    if flat:
        covariance = np.full(matrix.shape, np.nan)
        if level:
            inner = np.ix_(free, free)
            covariance[inner] = (
                constrained_covariance(matrix[inner]) * np.outer(scale, scale)[inner]
            )
        return Hessian(covariance, np.nan, np.zeros(len(x)), calls, flat, level)
    own = np.diag(matrix)
    inverse = np.diag(1 / np.where(held & (own > 0), own, 2))
    inverse[np.ix_(free, free)] = _inverse(matrix[np.ix_(free, free)])
    near = np.isin(np.arange(len(x)), on_lines)
    covariance = 2 * inverse * np.outer(scale, scale)
    hessian = Hessian(covariance, np.nan, np.zeros(len(x)), calls, [], False, near)
    return hessian.at(np.where(free, gradient, 0))


def _inverse(matrix: Array) -> Array:
    if not matrix.size:
        return matrix
    scale = 1 / np.sqrt(np.diag(matrix))
    return np.asarray(np.linalg.inv(matrix * np.outer(scale, scale)) * np.outer(scale, scale))


def _matrix(
    objective: Objective, x: Array, held: NDArray[np.bool_], lines: Index
) -> tuple[Array, int, Index]:
    """Return the second derivatives, the calls that they took, and the coordinates on lines."""
    matrix, calls = _known(objective, x), 1
    away = np.abs(x[lines] - np.round(x[lines]))
    errors = np.sqrt(2 / np.diag(matrix)[lines])
    on_lines = lines[(away < NEAR_LINE * errors) & ~held[lines]]
    for place in on_lines.tolist():
        matrix[place], taken = _across(objective, x, place, matrix[place, place])
        matrix[:, place] = matrix[place]
        calls += taken
    smooth = ~held
    smooth[on_lines] = False
    for block in list(objective.blocks) or [np.arange(len(x))]:
        inner, outer = block[smooth[block]], block[held[block]]
        for places in ([inner] if len(inner) else []) + [outer[[i]] for i in range(len(outer))]:
            part, taken = block_curvature(objective, x, places, matrix)
            matrix[np.ix_(places, places)] = part
            calls += taken
    if len(objective.blocks) > 1:
        calls += measure_soft_directions(objective, x, matrix, np.flatnonzero(smooth))
    return matrix, calls, on_lines


def _across(objective: Objective, x: Array, place: int, curvature: float) -> tuple[Array, int]:
    """Return the curvature along a coordinate with lines, over a rise of the statistic by one."""
    lowest, ends, gradients, calls = objective.total(x), [], [], 1
    for side in (-1, 1):
        step = np.sqrt(2 / curvature)
        for _ in range(RISES):
            point = x.copy()
            point[place] += side * step
            rise, calls = objective.total(point) - lowest, calls + 1
            if not np.isfinite(rise):
                step /= 2
            elif abs(rise - 1) < RISE_ACCURACY:
                break
            else:
                step *= float(np.clip(1 / np.sqrt(max(rise, 0.1)), 0.5, 2))
        ends.append(step)
        gradient = objective.gradient(point)
        assert gradient is not None
        gradients.append(gradient)
    row = np.nan_to_num((gradients[1] - gradients[0]) / sum(ends))
    row[place] = 2 / np.mean(ends) ** 2
    return row, calls + 2


def _known(objective: Objective, x: Array) -> Array:
    """Return the Fisher matrix, with guesses where it is not known."""
    fisher = objective.fisher(x)
    assert fisher is not None
    matrix = np.nan_to_num(np.array(fisher, dtype=float), posinf=0, neginf=0)
    own = np.diag(matrix)
    steps = np.abs(x) if objective.steps is None else objective.steps
    guess = 2 / np.where(steps > 0, steps, 1.0) ** 2
    unknown = ~(own > 0)
    matrix[unknown] = matrix[:, unknown] = 0
    matrix[unknown, unknown] = guess[unknown]
    return np.asarray(matrix)
