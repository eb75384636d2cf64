"""Second derivatives with respect to parameters, from differences along decorrelated directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.minimise.degeneracy import (
    MIN_EIGENVALUE_RATIO,
    degenerate_directions,
    remove_valley_curvature,
)
from skyred.likelihood.minimise.differences import gradient_by, secant, step_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

STEPS = (0.03, 0.01, 0.003, 0.001)  # in sigma; short steps are for curved valleys
INVERTIBLE_RATIO = 1e-9  # smallest eigenvalue of an invertible matrix, relative to the largest
FIRST_TOLERANCE = 0.1  # for the relative difference of the first result from the Fisher matrix
TOLERANCE = 0.02  # for the relative difference of a later result from the previous one


def compute_block_curvature(
    objective: Objective, x: Array, indices: Index, matrix: Array
) -> tuple[Array, int]:
    """Compute the second derivatives with respect to some parameters.

    The differences are along directions that are uncorrelated according to an approximate matrix.
    If the result differs much from this matrix, the differences are repeated, with directions from
    the result and with shorter steps.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters, with gradient.
    x : array
        All parameters, shape (n,).
    indices : array of int
        Indices of the k parameters, shape (k,).
    matrix : array
        Approximate second derivatives with respect to all parameters, shape (n, n).

    Returns
    -------
    block : array
        The second derivatives, shape (k, k).
    calls : int
        Number of calls of the gradient.
    """
    gradient_of = gradient_by(objective, indices)
    if objective.condition is not None and len(indices) < len(x):
        gradient_of = objective.condition(indices, x).gradient_of
    costly = np.zeros(len(x), dtype=bool) if objective.costly is None else objective.costly
    block, calls = matrix[np.ix_(indices, indices)], 0
    for step in STEPS:
        directions = _decorrelated_steps(block, costly[indices])
        if np.any(
            [
                np.ptp(step_lengths(objective, x, indices, direction, step)) < step
                for direction in directions.T
            ]
        ):
            # the limits leave too little space: take steps along the single parameters
            directions = np.diag(np.sqrt(2 / np.diag(block)))
        rows = []
        for direction in directions.T:
            derivative, step_calls = secant(objective, gradient_of, x, indices, direction, step)
            rows.append(directions.T @ derivative)
            calls += step_calls
        scaled_block = (np.array(rows) + np.array(rows).T) / 2
        inverse = np.linalg.inv(directions)
        block = inverse.T @ scaled_block @ inverse
        if not np.all(np.isfinite(scaled_block)):
            break
        eigenvalues = np.linalg.eigvalsh(scaled_block)
        tolerance = FIRST_TOLERANCE if step == STEPS[0] else TOLERANCE
        if not eigenvalues[0] > 0 or np.all(np.abs(eigenvalues / 2 - 1) < tolerance):
            break
    for direction in degenerate_directions(matrix[np.ix_(indices, indices)]):
        block, step_calls = remove_valley_curvature(
            objective, gradient_of, x, indices, block, direction
        )
        calls += step_calls
    return block, calls


def _decorrelated_steps(block: Array, costly: NDArray[np.bool_]) -> Array:
    """Return steps of one error in decorrelated directions, as columns.

    They are the columns of a Cholesky factor of the covariance, with the costly parameters first,
    so that as few directions as possible change costly parameters.

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
    scale = 1 / np.sqrt(np.diag(block))
    scaled = block * np.outer(scale, scale)
    eigenvalues, axes = np.linalg.eigh(scaled)
    if not eigenvalues[0] > INVERTIBLE_RATIO * eigenvalues[-1]:
        # along a degenerate direction there is no error: use that of the single parameters
        lengths = np.where(eigenvalues > MIN_EIGENVALUE_RATIO * eigenvalues[-1], eigenvalues, 1.0)
        return np.asarray(scale[:, None] * axes * np.sqrt(2 / lengths))
    order = np.argsort(~costly, kind="stable")
    directions = np.zeros_like(block)
    covariance = np.linalg.inv(scaled[np.ix_(order, order)])
    directions[order] = np.linalg.cholesky((covariance + covariance.T) / 2)
    return np.asarray(scale[:, None] * directions * np.sqrt(2))
