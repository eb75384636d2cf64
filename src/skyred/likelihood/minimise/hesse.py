"""The covariance at a minimum: second derivatives from differences of the gradient.

The differences are taken along scaled and decorrelated directions, in which the contours of the
statistic are nearly circles. So the results do not depend on units, scales or the reference energy
of a spectrum. HESSE of Minuit uses differences of the statistic itself along the parameters; they
are inaccurate for nearly degenerate parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.curvature import compute_block_curvature
from skyred.likelihood.minimise.degeneracy import (
    constrained_covariance,
    measure_weak_directions,
    unconstrained_parameters,
)
from skyred.likelihood.minimise.logarithmic_factors import LogarithmicFactors
from skyred.likelihood.minimise.rises import curvature_at_limit, find_rise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

NEAR_BOUNDARY = 0.5  # in sigma: closer to a cell boundary, the second derivative is not used


@attrs.define(eq=False)
class Hessian:
    """Covariance and estimated distance to the minimum, from the second derivatives.

    Parameters
    ----------
    covariance : array
        Covariance, shape (n, n). A parameter at its limit has a variance and no correlations; its
        error is the distance at which the statistic has risen by one. If the curvature is negative
        in some direction, or not finite, all elements are NaN. If it is zero, those of the
        unconstrained parameters and of parameters at limits are NaN.
    edm : float
        Estimated distance to the minimum, in the statistic; NaN if some parameters are
        unconstrained.
    step : array
        The step to the estimated minimum, shape (n,).
    calls : int
        Number of calls of the objective and its derivatives.
    unconstrained_names : list of str
        Names of the parameters that the second derivatives do not constrain, because the curvature
        along them is zero, negative or not finite; usually empty.
    zero_curvature : bool
        Whether the curvature along these parameters is zero, not negative: the statistic is then
        constant along them.
    on_boundary : array of bool
        Whether a parameter is a pixel coordinate close to a cell boundary, shape (n,). Its
        derivative does not contribute to the estimated distance, since the statistic may rise on
        both sides.
    """

    covariance: Array
    edm: float
    step: Array
    calls: int
    unconstrained_names: list[str]
    zero_curvature: bool = False
    on_boundary: NDArray[np.bool_] = attrs.field(factory=lambda: np.zeros(0, dtype=bool))

    def with_gradient(self, gradient: Array) -> Hessian:
        """Return a copy with the distance to the minimum for another gradient.

        Parameters
        ----------
        gradient : array
            The gradient, shape (n,).

        Returns
        -------
        Hessian
            The copy, with new `edm` and `step`.
        """
        gradient = np.where(self.on_boundary, 0, gradient)
        step = -self.covariance @ gradient / 2
        return attrs.evolve(self, edm=float(-0.5 * gradient @ step), step=step)


def hesse(
    objective: Objective,
    x: Array,
    at_limit: NDArray[np.bool_],
    piecewise_indices: Sequence[int] | Index = (),
) -> Hessian:
    """Compute the covariance from the second derivatives of an objective, including its prior.

    Parameters
    ----------
    objective : Objective
        The objective, with gradient and Fisher matrix.
    x : array
        The minimum, shape (n,).
    at_limit : array of bool
        Whether a parameter is fixed at a limit, shape (n,).
    piecewise_indices : sequence of int
        Indices of the pixel coordinates along which there is no second derivative at cell
        boundaries, where the coordinate is an integer. Close to an integer, the curvature is that
        of a parabola that rises by one at the same distance as the statistic.

    Returns
    -------
    Hessian
        The covariance and the distance to the minimum.
    """
    logarithmic = LogarithmicFactors(objective, x)
    matrix, calls, boundary_indices = _second_derivatives(
        logarithmic.objective, logarithmic.start, at_limit, np.array(piecewise_indices, dtype=int)
    )
    gradient = objective.gradient(x)
    assert gradient is not None
    free, scale = ~at_limit, logarithmic.scale
    names = [name for name, is_free in zip(objective.names, free, strict=True) if is_free]
    unconstrained_names, is_zero = unconstrained_parameters(matrix[np.ix_(free, free)], names)
    is_constant = at_limit & ~(np.diag(matrix) > 0)
    if is_constant.any():
        # not if the curvature is not finite
        is_zero = (is_zero or not unconstrained_names) and bool(
            np.all(np.diag(matrix)[is_constant] <= 0)
        )
        unconstrained_names += [objective.names[index] for index in np.flatnonzero(is_constant)]
    if unconstrained_names:
        covariance = np.full(matrix.shape, np.nan)
        if is_zero:
            block = np.ix_(free, free)
            covariance[block] = (
                constrained_covariance(matrix[block]) * np.outer(scale, scale)[block]
            )
        return Hessian(covariance, np.nan, np.zeros(len(x)), calls, unconstrained_names, is_zero)
    inverse = np.diag(1 / np.diag(matrix))
    inverse[np.ix_(free, free)] = _inverse(matrix[np.ix_(free, free)])
    on_boundary = np.isin(np.arange(len(x)), boundary_indices)
    covariance = 2 * inverse * np.outer(scale, scale)
    hessian = Hessian(covariance, np.nan, np.zeros(len(x)), calls, [], False, on_boundary)
    return hessian.with_gradient(np.where(free, gradient, 0))


def _inverse(matrix: Array) -> Array:
    if not matrix.size:
        return matrix
    scale = 1 / np.sqrt(np.diag(matrix))
    return np.asarray(np.linalg.inv(matrix * np.outer(scale, scale)) * np.outer(scale, scale))


def _second_derivatives(
    objective: Objective, x: Array, at_limit: NDArray[np.bool_], piecewise_indices: Index
) -> tuple[Array, int, Index]:
    """Compute the second derivatives, with special treatment of coordinates on cell boundaries.

    Parameters
    ----------
    objective : Objective
        The objective, with gradient and Fisher matrix.
    x : array
        The minimum, shape (n,).
    at_limit : array of bool
        Whether a parameter is fixed at a limit, shape (n,).
    piecewise_indices : array of int
        Indices of the pixel coordinates along which there is no second derivative where the
        coordinate is an integer.

    Returns
    -------
    matrix : array
        The second derivatives, shape (n, n).
    calls : int
        Number of calls of the objective and its derivatives.
    boundary_indices : array of int
        Indices of the pixel coordinates that are close to an integer.
    """
    matrix, calls = _positive_fisher(objective, x), 1
    coordinates = x[piecewise_indices]
    distances = np.abs(coordinates - np.round(coordinates))
    errors = np.sqrt(2 / np.diag(matrix)[piecewise_indices])
    boundary_indices = piecewise_indices[
        (distances < NEAR_BOUNDARY * errors) & ~at_limit[piecewise_indices]
    ]
    for index in boundary_indices.tolist():
        matrix[index], row_calls = _curvature_across_boundary(
            objective, x, index, matrix[index, index]
        )
        matrix[:, index] = matrix[index]
        calls += row_calls
    is_smooth = ~at_limit
    is_smooth[boundary_indices] = False
    for block in list(objective.blocks) or [np.arange(len(x))]:
        smooth_indices, limit_indices = block[is_smooth[block]], block[at_limit[block]]
        # parameters at limits are treated as independent of all others
        groups = [smooth_indices] if len(smooth_indices) else []
        groups += [limit_indices[[number]] for number in range(len(limit_indices))]
        for indices in groups:
            curvature, block_calls = compute_block_curvature(objective, x, indices, matrix)
            if at_limit[indices[0]] and np.ptp(objective.limits[indices[0]]) > 0:
                curvature[0, 0], rise_calls = curvature_at_limit(
                    objective, x, int(indices[0]), float(curvature[0, 0])
                )
                block_calls += rise_calls
            elif at_limit[indices[0]]:  # as if it were frozen: the derivatives do not exist
                curvature = matrix[np.ix_(indices, indices)]
            matrix[np.ix_(indices, indices)] = curvature
            calls += block_calls
    if len(objective.blocks) > 1:
        calls += measure_weak_directions(objective, x, matrix, np.flatnonzero(is_smooth))
    return matrix, calls, boundary_indices


def _curvature_across_boundary(
    objective: Objective, x: Array, index: int, curvature: float
) -> tuple[Array, int]:
    """Return the curvature along a pixel coordinate, from a rise of the statistic by one.

    Parameters
    ----------
    objective : Objective
        The objective, with gradient.
    x : array
        The minimum, shape (n,).
    index : int
        Index of the pixel coordinate.
    curvature : float
        Approximate second derivative.

    Returns
    -------
    row : array
        Second derivatives with respect to the pixel coordinate and each parameter, shape (n,).
    calls : int
        Number of calls of the objective and its gradient.
    """
    distances, gradients, calls = [], [], 0
    for side in (-1, 1):
        step, _, rise_calls = find_rise(objective, x, index, side * np.sqrt(2 / curvature))
        point = x.copy()
        point[index] += step
        calls += rise_calls
        distances.append(abs(step))
        gradient = objective.gradient(point)
        assert gradient is not None
        gradients.append(gradient)
    row = np.nan_to_num((gradients[1] - gradients[0]) / sum(distances))
    row[index] = 2 / np.mean(distances) ** 2
    return row, calls + 2


def _positive_fisher(objective: Objective, x: Array) -> Array:
    """Return the Fisher matrix, with a positive diagonal.

    For parameters with an invalid diagonal element, the errors are the steps of the objective, and
    the correlations are zero.
    """
    fisher = objective.fisher(x)
    assert fisher is not None
    matrix = np.nan_to_num(np.array(fisher, dtype=float), posinf=0, neginf=0)
    diagonal = np.diag(matrix)
    steps = np.abs(x) if objective.steps is None else objective.steps
    default_curvature = 2 / np.where(steps > 0, steps, 1.0) ** 2
    is_invalid = ~(diagonal > 0)
    matrix[is_invalid] = matrix[:, is_invalid] = 0
    matrix[is_invalid, is_invalid] = default_curvature[is_invalid]
    return np.asarray(matrix)
