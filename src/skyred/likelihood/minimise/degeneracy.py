"""Degenerate directions: combinations of parameters with little or no curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.minimise.differences import gradient_by, secant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Derivative, Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

SMALLEST_EIGENVALUE = 1e-10  # relative to the largest, of the matrix with unit diagonal
SOFT, SOFTEST = 3e-3, 1e-4  # eigenvalues relative to the largest, of the matrix with unit diagonal
SOFT_DIRECTIONS = 4
SOFT_STEP = 0.01  # errors
FLAT = 1e-8  # curvature over the error of a single parameter: less is rounding
MOVED = 1e-3  # component of a flat direction: a parameter with more is unconstrained
DEGENERATE = 0.05  # of the curvature: with less, a direction only has a term of fourth order
AGREEMENT = 0.02  # of a curvature with the previous one


def measure_soft_directions(objective: Objective, x: Array, matrix: Array, indices: Index) -> int:
    """Measure the curvature along soft directions across blocks, and update the matrix in place.

    Two sources that are nearly the same have a direction in which the blocks cancel: the remainder
    is smaller than their accuracy. The update is Powell's symmetric Broyden update (Powell 1970, in
    Nonlinear Programming, ed. Rosen et al., 31): the smallest one that yields the measured product.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters, with gradient.
    x : array
        All parameters, shape (n,).
    matrix : array
        Second derivatives of all parameters, shape (n, n), changed in place.
    indices : array of int
        Indices of the parameters to update, shape (k,).

    Returns
    -------
    int
        Calls of the gradient.
    """
    block, calls = matrix[np.ix_(indices, indices)], 0
    if not block.size or not np.all(np.isfinite(block)) or np.any(np.diag(block) <= 0):
        return calls
    scale = 1 / np.sqrt(np.diag(block))
    scaled = block * np.outer(scale, scale)
    for _ in range(SOFT_DIRECTIONS):
        values, axes = np.linalg.eigh(scaled)
        soft = [
            (value, axis)
            for value, axis in zip(values, axes.T, strict=True)
            if value < SOFT * values[-1]
        ]
        changed = False
        for value, axis in soft[:SOFT_DIRECTIONS]:
            length = np.sqrt(2 / max(value, SOFTEST * values[-1]))
            direction, gradient_of = scale * axis * length, gradient_by(objective, indices)
            long, short = (
                secant(objective, gradient_of, x, indices, direction, step)[0]
                for step in (SOFT_STEP, SOFT_STEP / 3)
            )
            calls += 4
            if not np.all(np.isfinite(short + long)):
                continue
            # remove the term of fourth order; without any other term, the direction is degenerate
            product = scale * (9 * short - long) / 8 / length
            if abs(axis @ product) < DEGENERATE * abs(axis @ (scale * long)) / length:
                product -= (axis @ product) * axis
            deviation = product - scaled @ axis
            changed = changed or abs(axis @ deviation) > AGREEMENT * abs(value)
            scaled += (
                np.outer(deviation, axis)
                + np.outer(axis, deviation)
                - (axis @ deviation) * np.outer(axis, axis)
            )
        if not changed:
            break
    matrix[np.ix_(indices, indices)] = scaled / np.outer(scale, scale)
    return calls


def degenerate_directions(block: Array) -> Array:
    """Return steps along the directions without curvature.

    Parameters
    ----------
    block : array
        Second derivatives, shape (k, k).

    Returns
    -------
    array
        The steps, as long as the errors of the single parameters, shape (m, k).
    """
    size = 1 / np.sqrt(np.diag(block))
    values, axes = np.linalg.eigh(block * np.outer(size, size))
    flat = values <= SMALLEST_EIGENVALUE * values[-1]
    return np.asarray(axes.T[flat] * size * np.sqrt(2))


def remove_valley_curvature(
    objective: Objective,
    gradient_of: Derivative,
    x: Array,
    indices: Index,
    block: Array,
    direction: Array,
) -> tuple[Array, int]:
    """Set the curvature along a direction to zero if it only comes from a curved valley.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters.
    gradient_of : callable
        From all parameters, shape (n,), to the gradient by the k parameters, shape (k,).
    x : array
        All parameters, shape (n,).
    indices : array of int
        Indices of the k parameters, shape (k,).
    block : array
        Second derivatives of the k parameters, shape (k, k).
    direction : array
        A step in that direction, shape (k,).

    Returns
    -------
    block : array
        The second derivatives, shape (k, k).
    calls : int
        Calls of the gradient.
    """
    if not np.all(np.isfinite(block)) or np.any(np.diag(block) <= 0):
        return block, 0
    long, short = (
        float(direction @ secant(objective, gradient_of, x, indices, direction, step)[0])
        for step in (SOFT_STEP, SOFT_STEP / 3)
    )
    curvature = (9 * short - long) / 8
    if abs(curvature) > max(DEGENERATE * abs(long), FLAT):
        return block, 4
    size = 1 / np.sqrt(np.diag(block))
    axis = direction / size
    axis /= np.linalg.norm(axis)
    projection = np.eye(len(axis)) - np.outer(axis, axis)
    scaled = projection @ (block * np.outer(size, size)) @ projection
    return scaled / np.outer(size, size), 4


def flat_parameters(matrix: Array, names: list[str]) -> tuple[list[str], bool]:
    """Return the parameters without positive curvature.

    Parameters
    ----------
    matrix : array
        Second derivatives, shape (k, k).
    names : list of str
        Names of the parameters.

    Returns
    -------
    flat_names : list of str
        Names of the parameters with the least curvature; empty if the matrix is positive definite.
    is_zero : bool
        Whether the curvature is zero along them, not negative.
    """
    if not matrix.size:
        return [], False
    if not np.all(np.isfinite(matrix)):
        return names, False
    own = np.diag(matrix)
    if np.any(own <= 0):
        flat_names = [name for name, value in zip(names, own, strict=True) if value <= 0]
        return flat_names, bool(np.all(own >= 0))
    size = np.sqrt(own)
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    if values[0] > SMALLEST_EIGENVALUE * values[-1]:
        return [], False
    flat = values <= SMALLEST_EIGENVALUE * values[-1]
    weight = np.abs(vectors[:, flat])
    unconstrained = (weight > 0.3 * weight.max(axis=0)).any(axis=1)
    flat_names = [name for name, is_flat in zip(names, unconstrained, strict=True) if is_flat]
    return flat_names, bool(values[0] >= -FLAT * values[-1])


def constrained_covariance(matrix: Array) -> Array:
    """Return the covariance of the parameters that no flat direction contains.

    Parameters
    ----------
    matrix : array
        Second derivatives, shape (k, k).

    Returns
    -------
    array
        The covariance, shape (k, k); NaN for the other parameters.
    """
    own = np.diag(matrix)
    size = np.where(own > 0, 1 / np.sqrt(np.where(own > 0, own, 1)), 0)
    scaled = matrix * np.outer(size, size)
    values, axes = np.linalg.eigh(scaled)
    flat = values <= SMALLEST_EIGENVALUE * values[-1]
    moved = (np.abs(axes[:, flat]) > MOVED).any(axis=1) | (own <= 0)
    covariance = 2 * np.linalg.pinv(scaled, rcond=SMALLEST_EIGENVALUE, hermitian=True)
    covariance[moved] = covariance[:, moved] = np.nan
    return np.asarray(covariance * np.outer(size, size))
