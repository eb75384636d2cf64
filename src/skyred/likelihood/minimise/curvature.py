"""The second derivatives of some parameters, along directions in which they are decorrelated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.minimise.degeneracy import (
    SMALLEST_EIGENVALUE,
    degenerate_directions,
    without_bend,
)
from skyred.likelihood.minimise.differences import gradient_by, secant, step_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

STEPS = (0.03, 0.01, 0.003, 0.001)  # errors, each far above rounding: shorter in bent valleys
WELL_KNOWN = 1e-9  # of the largest eigenvalue, above which a matrix can be inverted
FIRST_AGREEMENT = 0.1  # with the Fisher matrix, from which one pass is enough
AGREEMENT = 0.02  # of a pass with the one before


def block_curvature(
    objective: Objective, x: Array, places: Index, matrix: Array
) -> tuple[Array, int]:
    """Return the second derivatives of some parameters, and the calls that they took.

    The directions are those of their covariance by the matrix as it is known. If the result is far
    from it, they are taken again by the result, with shorter steps.
    """
    gradient_of = gradient_by(objective, places)
    if objective.condition is not None and len(places) < len(x):
        gradient_of = objective.condition(places, x).gradient_of
    costly = np.zeros(len(x), dtype=bool) if objective.costly is None else objective.costly
    part, calls = matrix[np.ix_(places, places)], 0
    for step in STEPS:
        directions = _directions(part, costly[places])
        if np.any(
            [np.ptp(step_lengths(objective, x, places, d, step)) < step for d in directions.T]
        ):
            directions = np.diag(np.sqrt(2 / np.diag(part)))  # a limit is in the way
        rows = []
        for direction in directions.T:
            slope, taken = secant(objective, gradient_of, x, places, direction, step)
            rows.append(directions.T @ slope)
            calls += taken
        white = (np.array(rows) + np.array(rows).T) / 2
        back = np.linalg.inv(directions)
        part = back.T @ white @ back
        if not np.all(np.isfinite(white)):
            break
        values = np.linalg.eigvalsh(white)
        agreement = FIRST_AGREEMENT if step == STEPS[0] else AGREEMENT
        if not values[0] > 0 or np.all(np.abs(values / 2 - 1) < agreement):
            break
    for direction in degenerate_directions(matrix[np.ix_(places, places)]):
        part, taken = without_bend(objective, gradient_of, x, places, part, direction)
        calls += taken
    return part, calls


def _directions(part: Array, costly: NDArray[np.bool_]) -> Array:
    """Return a step of one error in each decorrelated direction, as columns, shape (k, k).

    They are columns of a Cholesky factor of the covariance, with the costly parameters first: the
    directions of the others leave these as they are.
    """
    size = 1 / np.sqrt(np.diag(part))
    scaled = part * np.outer(size, size)
    values, axes = np.linalg.eigh(scaled)
    if not values[0] > WELL_KNOWN * values[-1]:
        # a degenerate direction has no error: there a step as of the parameters alone
        lengths = np.where(values > SMALLEST_EIGENVALUE * values[-1], values, 1.0)
        return np.asarray(size[:, None] * axes * np.sqrt(2 / lengths))
    order = np.argsort(~costly, kind="stable")
    directions = np.zeros_like(part)
    covariance = np.linalg.inv(scaled[np.ix_(order, order)])
    directions[order] = np.linalg.cholesky((covariance + covariance.T) / 2)
    return np.asarray(size[:, None] * directions * np.sqrt(2))
