"""Directions in which the likelihood is flat, or nearly so: what it leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.minimise.differences import gradient_by, secant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Derivative, Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

SMALLEST_EIGENVALUE = 1e-10  # of the largest, for the matrix scaled to ones on its diagonal
SOFT, SOFTEST = 3e-3, 1e-4  # of the largest eigenvalue, of the matrix scaled to ones
SOFT_DIRECTIONS = 4
SOFT_STEP = 0.01  # errors
FLAT = 1e-8  # curvature over the error of a parameter alone, which is rounding
MOVED = 1e-3  # of a flat direction, from which a parameter is not known
DEGENERATE = 0.05  # of the curvature, below which a direction has but a term of fourth order
AGREEMENT = 0.02  # of a curvature with the one before


def measure_soft_directions(objective: Objective, x: Array, matrix: Array, places: Index) -> int:
    """Take the curvature along soft directions again, across blocks, in place; return the calls.

    Two sources that are nearly the same have a direction in which the blocks cancel: what is left
    is less than their accuracy. The update is that of Powell, symmetric Broyden (Powell 1970, in
    Nonlinear Programming, ed. Rosen et al., 31): the smallest that has the measured product.
    """
    part, calls = matrix[np.ix_(places, places)], 0
    if not part.size or not np.all(np.isfinite(part)) or np.any(np.diag(part) <= 0):
        return calls
    scale = 1 / np.sqrt(np.diag(part))
    scaled = part * np.outer(scale, scale)
    for _ in range(SOFT_DIRECTIONS):
        values, axes = np.linalg.eigh(scaled)
        soft = [
            (value, axis)
            for value, axis in zip(values, axes.T, strict=True)
            if value < SOFT * values[-1]
        ]
        wrong = False
        for value, axis in soft[:SOFT_DIRECTIONS]:
            length = np.sqrt(2 / max(value, SOFTEST * values[-1]))
            direction, gradient_of = scale * axis * length, gradient_by(objective, places)
            far, near = (
                secant(objective, gradient_of, x, places, direction, step)[0]
                for step in (SOFT_STEP, SOFT_STEP / 3)
            )
            calls += 4
            if not np.all(np.isfinite(near + far)):
                continue
            # without the term of fourth order; if there is no other, the direction is degenerate
            product = scale * (9 * near - far) / 8 / length
            if abs(axis @ product) < DEGENERATE * abs(axis @ (scale * far)) / length:
                product -= (axis @ product) * axis
            off = product - scaled @ axis
            wrong = wrong or abs(axis @ off) > AGREEMENT * abs(value)
            scaled += (
                np.outer(off, axis) + np.outer(axis, off) - (axis @ off) * np.outer(axis, axis)
            )
        if not wrong:
            break
    matrix[np.ix_(places, places)] = scaled / np.outer(scale, scale)
    return calls


def degenerate_directions(part: Array) -> Array:
    """Return steps without curvature, as long as errors of parameters alone, shape (m, k)."""
    size = 1 / np.sqrt(np.diag(part))
    values, axes = np.linalg.eigh(part * np.outer(size, size))
    flat = values <= SMALLEST_EIGENVALUE * values[-1]
    return np.asarray(axes.T[flat] * size * np.sqrt(2))


def without_bend(
    objective: Objective,
    gradient_of: Derivative,
    x: Array,
    places: Index,
    part: Array,
    direction: Array,
) -> tuple[Array, int]:
    """Take the curvature along a direction to be zero if it is but that of a bent valley.

    Parameters
    ----------
    objective, gradient_of, x, places, part
        As in `_block`.
    direction : array
        A step in that direction, shape (k,).

    Returns
    -------
    part : array
        The second derivatives, shape (k, k).
    calls : int
        Calls of the gradient.
    """
    if not np.all(np.isfinite(part)) or np.any(np.diag(part) <= 0):
        return part, 0
    far, near = (
        float(direction @ secant(objective, gradient_of, x, places, direction, step)[0])
        for step in (SOFT_STEP, SOFT_STEP / 3)
    )
    rest = (9 * near - far) / 8
    if abs(rest) > max(DEGENERATE * abs(far), FLAT):
        return part, 4
    size = 1 / np.sqrt(np.diag(part))
    axis = direction / size
    axis /= np.linalg.norm(axis)
    remove = np.eye(len(axis)) - np.outer(axis, axis)
    scaled = remove @ (part * np.outer(size, size)) @ remove
    return scaled / np.outer(size, size), 4


def flat_parameters(matrix: Array, names: list[str]) -> tuple[list[str], bool]:
    """Return the parameters along which the curvature is least, if it is not positive."""
    if not matrix.size:
        return [], False
    if not np.all(np.isfinite(matrix)):
        return names, False
    own = np.diag(matrix)
    if np.any(own <= 0):
        least = [name for name, value in zip(names, own, strict=True) if value <= 0]
        return least, bool(np.all(own >= 0))
    size = np.sqrt(own)
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size))
    if values[0] > SMALLEST_EIGENVALUE * values[-1]:
        return [], False
    flat = values <= SMALLEST_EIGENVALUE * values[-1]
    weight = np.abs(vectors[:, flat])
    unknown = (weight > 0.3 * weight.max(axis=0)).any(axis=1)
    least = [name for name, wanted in zip(names, unknown, strict=True) if wanted]
    return least, bool(values[0] >= -FLAT * values[-1])


def constrained_covariance(matrix: Array) -> Array:
    """Return the covariance of the parameters that no flat direction moves; NaN of the others."""
    own = np.diag(matrix)
    size = np.where(own > 0, 1 / np.sqrt(np.where(own > 0, own, 1)), 0)
    scaled = matrix * np.outer(size, size)
    values, axes = np.linalg.eigh(scaled)
    flat = values <= SMALLEST_EIGENVALUE * values[-1]
    moved = (np.abs(axes[:, flat]) > MOVED).any(axis=1) | (own <= 0)
    covariance = 2 * np.linalg.pinv(scaled, rcond=SMALLEST_EIGENVALUE, hermitian=True)
    covariance[moved] = covariance[:, moved] = np.nan
    return np.asarray(covariance * np.outer(size, size))
