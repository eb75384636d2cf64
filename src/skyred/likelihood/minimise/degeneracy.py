"""Degenerate directions: combinations of parameters along which there is little or no curvature.

Directions are called flat if they have no curvature, and weak if they have little curvature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.minimise.differences import gradient_by, secant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Derivative, Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

# ratios are those to the largest eigenvalue, after scaling the matrix to a unit diagonal
MIN_EIGENVALUE_RATIO = 1e-10  # directions with smaller ratios are flat
WEAK_RATIO = 3e-3  # directions with smaller ratios are weak
MIN_WEAK_RATIO = 1e-4  # to limit the length of steps in weak directions
MAX_WEAK_DIRECTIONS = 4
WEAK_STEP = 0.01  # in sigma: length of the differences along weak directions
ZERO_CURVATURE = 1e-8  # in units of single parameters' curvature; smaller ones are rounding errors
MIN_COMPONENT = 1e-3  # parameters with a larger component in a flat direction have no errors
# if a smaller fraction of the curvature remains without the term of fourth order, the direction is
# degenerate
DEGENERATE_FRACTION = 0.05
TOLERANCE = 0.02  # for the relative difference of a curvature from the previous one


def measure_weak_directions(objective: Objective, x: Array, matrix: Array, indices: Index) -> int:
    """Measure the curvature along weak directions across blocks, and update the matrix in place.

    If two sources nearly coincide, the contributions of several blocks cancel in some direction,
    and the remainder is less accurate than the blocks. The matrix is corrected by Powell's
    symmetric Broyden update (Powell 1970, in Nonlinear Programming, ed. Rosen et al., 31), the
    smallest update that yields the measured product with the direction.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters, with gradient.
    x : array
        All parameters, shape (n,).
    matrix : array
        Second derivatives with respect to all parameters, shape (n, n), changed in place.
    indices : array of int
        Indices of the parameters to update, shape (k,).

    Returns
    -------
    int
        Number of calls of the gradient.
    """
    block, calls = matrix[np.ix_(indices, indices)], 0
    if not block.size or not np.all(np.isfinite(block)) or np.any(np.diag(block) <= 0):
        return calls
    scale = 1 / np.sqrt(np.diag(block))
    scaled = block * np.outer(scale, scale)
    for _ in range(MAX_WEAK_DIRECTIONS):
        eigenvalues, axes = np.linalg.eigh(scaled)
        weak = [
            (eigenvalue, axis)
            for eigenvalue, axis in zip(eigenvalues, axes.T, strict=True)
            if eigenvalue < WEAK_RATIO * eigenvalues[-1]
        ]
        has_changed = False
        for eigenvalue, axis in weak[:MAX_WEAK_DIRECTIONS]:
            length = np.sqrt(2 / max(eigenvalue, MIN_WEAK_RATIO * eigenvalues[-1]))
            direction, gradient_of = scale * axis * length, gradient_by(objective, indices)
            long_secant, short_secant = (
                secant(objective, gradient_of, x, indices, direction, step)[0]
                for step in (WEAK_STEP, WEAK_STEP / 3)
            )
            calls += 4
            if not np.all(np.isfinite(short_secant + long_secant)):
                continue
            # remove the term of fourth order; if nothing else is left, the direction is degenerate
            product = scale * (9 * short_secant - long_secant) / 8 / length
            if (
                abs(axis @ product)
                < DEGENERATE_FRACTION * abs(axis @ (scale * long_secant)) / length
            ):
                product -= (axis @ product) * axis
            deviation = product - scaled @ axis
            has_changed = has_changed or abs(axis @ deviation) > TOLERANCE * abs(eigenvalue)
            scaled += (
                np.outer(deviation, axis)
                + np.outer(axis, deviation)
                - (axis @ deviation) * np.outer(axis, axis)
            )
        if not has_changed:
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
    scale = 1 / np.sqrt(np.diag(block))
    eigenvalues, axes = np.linalg.eigh(block * np.outer(scale, scale))
    is_flat = eigenvalues <= MIN_EIGENVALUE_RATIO * eigenvalues[-1]
    return np.asarray(axes.T[is_flat] * scale * np.sqrt(2))


def remove_valley_curvature(
    objective: Objective,
    gradient_of: Derivative,
    x: Array,
    indices: Index,
    block: Array,
    direction: Array,
) -> tuple[Array, int]:
    """Set the curvature along a direction to zero if it only comes from a curved valley.

    If the statistic is constant along a curve, it rises along the tangent with the fourth power of
    the distance. A difference over a finite step is then not zero.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters.
    gradient_of : callable
        Function of all parameters, shape (n,), that returns the gradient with respect to the k
        parameters, shape (k,).
    x : array
        All parameters, shape (n,).
    indices : array of int
        Indices of the k parameters, shape (k,).
    block : array
        Second derivatives with respect to the k parameters, shape (k, k).
    direction : array
        A step in that direction, shape (k,).

    Returns
    -------
    block : array
        The second derivatives, shape (k, k).
    calls : int
        Number of calls of the gradient.
    """
    if not np.all(np.isfinite(block)) or np.any(np.diag(block) <= 0):
        return block, 0
    long_secant, short_secant = (
        float(direction @ secant(objective, gradient_of, x, indices, direction, step)[0])
        for step in (WEAK_STEP, WEAK_STEP / 3)
    )
    curvature = (9 * short_secant - long_secant) / 8
    if abs(curvature) > max(DEGENERATE_FRACTION * abs(long_secant), ZERO_CURVATURE):
        return block, 4
    scale = 1 / np.sqrt(np.diag(block))
    axis = direction / scale
    axis /= np.linalg.norm(axis)
    projection = np.eye(len(axis)) - np.outer(axis, axis)
    scaled = projection @ (block * np.outer(scale, scale)) @ projection
    return scaled / np.outer(scale, scale), 4


def unconstrained_parameters(matrix: Array, names: list[str]) -> tuple[list[str], bool]:
    """Return the parameters without positive curvature.

    Parameters
    ----------
    matrix : array
        Second derivatives, shape (k, k).
    names : list of str
        Names of the parameters.

    Returns
    -------
    unconstrained_names : list of str
        Names of the parameters without positive curvature, or with the largest components in flat
        directions; all names if the matrix is not finite, none if it is positive definite.
    is_zero : bool
        Whether the curvature along these parameters is zero, not negative.
    """
    if not matrix.size:
        return [], False
    if not np.all(np.isfinite(matrix)):
        return names, False
    diagonal = np.diag(matrix)
    if np.any(diagonal <= 0):
        unconstrained_names = [
            name for name, value in zip(names, diagonal, strict=True) if value <= 0
        ]
        return unconstrained_names, bool(np.all(diagonal >= 0))
    size = np.sqrt(diagonal)
    eigenvalues, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    if eigenvalues[0] > MIN_EIGENVALUE_RATIO * eigenvalues[-1]:
        return [], False
    is_flat = eigenvalues <= MIN_EIGENVALUE_RATIO * eigenvalues[-1]
    components = np.abs(vectors[:, is_flat])
    is_unconstrained = (components > 0.3 * components.max(axis=0)).any(axis=1)
    unconstrained_names = [names[index] for index in np.flatnonzero(is_unconstrained)]
    return unconstrained_names, bool(eigenvalues[0] >= -ZERO_CURVATURE * eigenvalues[-1])


def constrained_covariance(matrix: Array) -> Array:
    """Return the covariance of the parameters that do not change along flat directions.

    Parameters
    ----------
    matrix : array
        Second derivatives, shape (k, k).

    Returns
    -------
    array
        The covariance, shape (k, k); NaN for the other parameters.
    """
    diagonal = np.diag(matrix)
    scale = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1)), 0)
    scaled = matrix * np.outer(scale, scale)
    eigenvalues, axes = np.linalg.eigh(scaled)
    is_flat = eigenvalues <= MIN_EIGENVALUE_RATIO * eigenvalues[-1]
    is_affected = (np.abs(axes[:, is_flat]) > MIN_COMPONENT).any(axis=1) | (diagonal <= 0)
    covariance = 2 * np.linalg.pinv(scaled, rcond=MIN_EIGENVALUE_RATIO, hermitian=True)
    covariance[is_affected] = covariance[:, is_affected] = np.nan
    return np.asarray(covariance * np.outer(scale, scale))
