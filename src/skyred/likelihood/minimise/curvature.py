"""Second derivatives of some parameters, along decorrelated directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.minimise.degeneracy import (
    SMALLEST_EIGENVALUE,
    degenerate_directions,
    remove_valley_curvature,
)
from skyred.likelihood.minimise.differences import gradient_by, secant, step_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

STEPS = (0.03, 0.01, 0.003, 0.001)  # in errors, far above rounding; short for curved valleys
INVERTIBLE = 1e-9  # smallest eigenvalue of an invertible matrix, relative to the largest
FIRST_AGREEMENT = 0.1  # relative to the Fisher matrix: one pass is enough if they agree better
AGREEMENT = 0.02  # relative to the previous pass


def compute_block_curvature(
    objective: Objective, x: Array, indices: Index, matrix: Array
) -> tuple[Array, int]:
    """Compute the second derivatives of some parameters.

    The directions of the differences are those in which the parameters are decorrelated by the
    approximate matrix. If the result differs much from it, the differences are repeated with
    directions from the result and shorter steps.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters, with gradient.
    x : array
        All parameters, shape (n,).
    indices : array of int
        Indices of the k parameters, shape (k,).
    matrix : array
        Approximate second derivatives of all parameters, shape (n, n).

    Returns
    -------
    block : array
        The second derivatives, shape (k, k).
    calls : int
        Calls of the gradient.
    """
    gradient_of = gradient_by(objective, indices)
    if objective.condition is not None and len(indices) < len(x):
        gradient_of = objective.condition(indices, x).gradient_of
    costly = np.zeros(len(x), dtype=bool) if objective.costly is None else objective.costly
    block, calls = matrix[np.ix_(indices, indices)], 0
    for step in STEPS:
        directions = _directions(block, costly[indices])
        if np.any(
            [
                np.ptp(step_lengths(objective, x, indices, direction, step)) < step
                for direction in directions.T
            ]
        ):
            directions = np.diag(np.sqrt(2 / np.diag(block)))  # a limit is closer than the step
        rows = []
        for direction in directions.T:
            slope, step_calls = secant(objective, gradient_of, x, indices, direction, step)
            rows.append(directions.T @ slope)
            calls += step_calls
        whitened = (np.array(rows) + np.array(rows).T) / 2
        inverse = np.linalg.inv(directions)
        block = inverse.T @ whitened @ inverse
        if not np.all(np.isfinite(whitened)):
            break
        values = np.linalg.eigvalsh(whitened)
        agreement = FIRST_AGREEMENT if step == STEPS[0] else AGREEMENT
        if not values[0] > 0 or np.all(np.abs(values / 2 - 1) < agreement):
            break
    for direction in degenerate_directions(matrix[np.ix_(indices, indices)]):
        block, step_calls = remove_valley_curvature(
            objective, gradient_of, x, indices, block, direction
        )
        calls += step_calls
    return block, calls


def _directions(block: Array, costly: NDArray[np.bool_]) -> Array:
    """Return steps of one error in decorrelated directions, as columns.

    They are the columns of a Cholesky factor of the covariance, with the costly parameters first:
    the directions of the other parameters do not change the costly ones.

    Parameters
    ----------
    block : array
        Second derivatives, shape (k, k).
    costly : array of bool
        Parameters that are costly to change, shape (k,).

    Returns
    -------
    array
        The steps, shape (k, k).
    """
    size = 1 / np.sqrt(np.diag(block))
    scaled = block * np.outer(size, size)
    values, axes = np.linalg.eigh(scaled)
    if not values[0] > INVERTIBLE * values[-1]:
        # a degenerate direction has no error: use the errors of the single parameters
        lengths = np.where(values > SMALLEST_EIGENVALUE * values[-1], values, 1.0)
        return np.asarray(size[:, None] * axes * np.sqrt(2 / lengths))
    order = np.argsort(~costly, kind="stable")
    directions = np.zeros_like(block)
    covariance = np.linalg.inv(scaled[np.ix_(order, order)])
    directions[order] = np.linalg.cholesky((covariance + covariance.T) / 2)
    return np.asarray(size[:, None] * directions * np.sqrt(2))
