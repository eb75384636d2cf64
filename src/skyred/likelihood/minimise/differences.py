"""Differences of the gradient along directions, within the limits of the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Derivative, Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


def gradient_by(objective: Objective, places: Index) -> Derivative:
    """Return a function for the gradient by some parameters, shape (k,)."""
    if objective.gradient_by is not None:
        return objective.gradient_by(places)

    def gradient_of(point: Array) -> Array:
        gradient = objective.gradient(point)
        assert gradient is not None
        return np.asarray(gradient)[places]

    return gradient_of


def secant(
    objective: Objective,
    gradient_of: Derivative,
    x: Array,
    places: Index,
    direction: Array,
    length: float,
) -> tuple[Array, int]:
    """Return the change of the gradient along a direction, per step of it, shape (k,)."""
    limits, lengths = (
        objective.limits[places],
        step_lengths(objective, x, places, direction, length),
    )
    points = []
    for signed in lengths:
        point = x.copy()
        point[places] = np.clip(x[places] + signed * direction, *limits.T)
        points.append(gradient_of(point))
    width = lengths[1] - lengths[0]
    if not width > 0:
        return np.full(len(places), np.nan), 2
    return np.asarray((points[1] - points[0]) / width), 2


def step_lengths(
    objective: Objective, x: Array, places: Index, direction: Array, length: float
) -> tuple[float, float]:
    """Return how far to step backward and forward along a direction, within the limits."""
    limits, lengths = objective.limits[places], []
    for side in (-1, 1):
        step = side * direction
        room = np.where(step > 0, limits[:, 1] - x[places], x[places] - limits[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.min(np.where(step != 0, room / np.abs(step), np.inf), initial=np.inf)
        lengths.append(side * float(np.clip(most, 0, length)))
    return lengths[0], lengths[1]
