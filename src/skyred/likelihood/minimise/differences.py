"""Finite differences of the gradient, within the limits of the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Derivative, Objective

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


def gradient_by(objective: Objective, indices: Index) -> Derivative:
    """Return a function for the gradient with respect to some parameters.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters, with gradient.
    indices : array of int
        Indices of the k parameters, shape (k,).

    Returns
    -------
    callable
        Function of all parameters, shape (n,), that returns the gradient, shape (k,).
    """
    if objective.gradient_by is not None:
        return objective.gradient_by(indices)

    def gradient_of(point: Array) -> Array:
        gradient = objective.gradient(point)
        assert gradient is not None
        return np.asarray(gradient)[indices]

    return gradient_of


def secant(
    objective: Objective,
    gradient_of: Derivative,
    x: Array,
    indices: Index,
    direction: Array,
    length: float,
) -> tuple[Array, int]:
    """Return the second derivatives along a direction, from a finite difference of the gradient.

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
    direction : array
        The step of length 1, in the units of the parameters, shape (k,).
    length : float
        Length of the steps in both directions, in units of `direction`.

    Returns
    -------
    derivative : array
        The change of the gradient per step of length 1, shape (k,); NaN if the limits allow no
        step.
    calls : int
        Number of calls of the gradient.
    """
    limits = objective.limits[indices]
    lengths = step_lengths(objective, x, indices, direction, length)
    gradients = []
    for signed_length in lengths:
        point = x.copy()
        point[indices] = np.clip(x[indices] + signed_length * direction, *limits.T)
        gradients.append(gradient_of(point))
    width = lengths[1] - lengths[0]
    if not width > 0:
        return np.full(len(indices), np.nan), 2
    return np.asarray((gradients[1] - gradients[0]) / width), 2


def step_lengths(
    objective: Objective, x: Array, indices: Index, direction: Array, length: float
) -> tuple[float, float]:
    """Return the lengths of a backward and a forward step that stay within the limits.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters.
    x : array
        All parameters, shape (n,).
    indices : array of int
        Indices of the k parameters, shape (k,).
    direction : array
        The step of length 1, in the units of the parameters, shape (k,).
    length : float
        The largest length, in units of `direction`.

    Returns
    -------
    backward, forward : float
        The signed lengths: the backward one is not positive, the forward one not negative.
    """
    limits, lengths = objective.limits[indices], []
    for side in (-1, 1):
        step = side * direction
        distance = np.where(step > 0, limits[:, 1] - x[indices], x[indices] - limits[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            to_limit = np.min(np.where(step != 0, distance / np.abs(step), np.inf), initial=np.inf)
        lengths.append(side * float(np.clip(to_limit, 0, length)))
    return lengths[0], lengths[1]
