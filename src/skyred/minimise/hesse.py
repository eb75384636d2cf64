"""HESSE: the second derivatives at a minimum, by central differences of the exact gradient.

Minuit's HESSE takes differences of the statistic itself. Its steps grow with the value of the
statistic, and those along pairs of parameters go to one side: where parameters are correlated and
the statistic is no parabola, errors came out a quarter too small. With the gradient, steps of a
small part of an error are enough, to both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.objective import Objective

    Array = NDArray[np.float64]

STEP = 0.1  # of what a parameter alone could vary by: far above rounding, far below a bend
SMALLEST_EIGENVALUE = 1e-10  # of the largest, for the matrix scaled to ones on its diagonal


@attrs.define(eq=False)
class Hessian:
    """The curvature at a minimum.

    Parameters
    ----------
    covariance : array
        Shape (n, n); NaN if the curvature is not positive in all directions. A parameter that is
        held at its limit has its own variance, and no correlation.
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
    """

    covariance: Array
    edm: float
    step: Array
    calls: int
    flat: list[str]
    level: bool = False


def hesse(objective: Objective, x: Array, held: NDArray[np.bool_]) -> Hessian:
    """Find the curvature of an objective's total.

    Parameters
    ----------
    objective : Objective
        With gradient and Fisher matrix.
    x : array
        The minimum, shape (n,).
    held : array of bool
        Which parameters a limit holds there, shape (n,).
    """
    scale = _scale(objective, x)
    matrix = np.array([_row(objective, x, scale, index) for index in range(len(x))])
    matrix = (matrix + matrix.T) / 2
    gradient = objective.gradient(x)
    assert gradient is not None
    free = ~held
    inner, calls = matrix[np.ix_(free, free)], 2 * len(x) + 1
    names = [name for name, known in zip(objective.names, free, strict=True) if known]
    flat, level = _flat(inner, names)
    if flat:
        return Hessian(np.full(matrix.shape, np.nan), np.nan, np.zeros(len(x)), calls, flat, level)
    inverse = np.diag(1 / np.where(held & (np.diag(matrix) > 0), np.diag(matrix), 2))
    inverse[np.ix_(free, free)] = np.linalg.inv(inner)
    downhill = np.where(free, gradient * scale, 0)
    edm = float(0.5 * downhill @ inverse @ downhill)
    step = -inverse @ downhill * scale
    return Hessian(2 * inverse * np.outer(scale, scale), edm, step, calls, [])


def _scale(objective: Objective, x: Array) -> Array:
    """Give what each parameter alone could vary by, for the statistic to rise by about one."""
    fisher = objective.fisher(x)
    assert fisher is not None
    diagonal = np.diag(fisher)
    known = np.isfinite(diagonal) & (diagonal > 0)
    steps = np.abs(x) if objective.steps is None else objective.steps
    return np.where(known, np.sqrt(2 / np.where(known, diagonal, 1)), np.where(steps > 0, steps, 1))


def _row(objective: Objective, x: Array, scale: Array, index: int) -> Array:
    low, high = objective.limits[index]
    below, above = x.copy(), x.copy()
    below[index] = max(x[index] - STEP * scale[index], low)
    above[index] = min(x[index] + STEP * scale[index], high)
    rise = objective.gradient(above) - objective.gradient(below)  # type: ignore[operator]
    return rise * scale * scale[index] / (above[index] - below[index])  # type: ignore[no-any-return]


def _flat(matrix: Array, names: list[str]) -> tuple[list[str], bool]:
    """Name the parameters along which the curvature is least, if it is not positive."""
    if not matrix.size:
        return [], False
    if not np.all(np.isfinite(matrix)):
        return names, False
    own = np.diag(matrix)
    if np.any(own <= 0):
        least = [name for name, each in zip(names, own, strict=True) if each <= 0]
        return least, bool(np.all(own >= 0))
    size = np.sqrt(own)
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    if values[0] > SMALLEST_EIGENVALUE * values[-1]:
        return [], False
    share = np.abs(vectors[:, 0])
    least = [name for name, part in zip(names, share, strict=True) if part > 0.3 * share.max()]
    return least, bool(values[0] >= -SMALLEST_EIGENVALUE * values[-1])
