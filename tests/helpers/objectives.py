"""Objectives with a known minimum and covariance."""

from __future__ import annotations

from typing import Any

import numpy as np

from skyred import Objective

Array = np.ndarray


def quadratic(covariance: Array, minimum: Array, **overrides: Any) -> Objective:
    """Return a quadratic -2 log L with its gradient and Fisher matrix.

    Parameters
    ----------
    covariance : array
        Covariance of the parameters, shape (n, n).
    minimum : array
        Position of the minimum, shape (n,). The start is 3 sigma above it.
    **overrides
        Arguments of `Objective` that replace those of the quadratic.
    """
    covariance, minimum = np.asarray(covariance, dtype=float), np.asarray(minimum, dtype=float)
    scale = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(covariance / np.outer(scale, scale))

    def stat(x: Array) -> float:
        difference = (x - minimum) / scale
        return float(difference @ inverse @ difference)

    def gradient(x: Array) -> Array:
        return 2 * inverse @ ((x - minimum) / scale) / scale

    fields = {
        "names": [f"p{index}" for index in range(len(minimum))],
        "start": minimum + 3 * scale,
        "stat": stat,
        "gradient_of": gradient,
        "fisher_of": lambda x: 2 * inverse / np.outer(scale, scale),
        "steps": scale,
    }
    return Objective(**{**fields, **overrides})


def minimum_within_limits(covariance: Array, minimum: Array, limits: Array) -> tuple[Array, Array]:
    """Return the minimum of a quadratic within limits, and the parameters at limits.

    The function is convex. Its minimum is therefore the lowest point within the limits among the
    minima with all combinations of parameters fixed at their limits.

    Parameters
    ----------
    covariance : array
        Covariance of the parameters, shape (n, n).
    minimum : array
        Position of the minimum without limits, shape (n,).
    limits : array
        Lower and upper limits, shape (n, 2).

    Returns
    -------
    values : array
        Position of the minimum, shape (n,).
    at_limit : array of bool
        Whether each parameter is at a limit.
    """
    covariance = np.asarray(covariance, dtype=float)
    scale = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(covariance / np.outer(scale, scale))
    lower, upper = (
        (np.asarray(limits, dtype=float) - np.asarray(minimum)[:, None]) / scale[:, None]
    ).T
    best, lowest, at_limit = np.zeros(len(scale)), np.inf, np.zeros(len(scale), dtype=bool)
    # for each parameter: 0 at the lower limit, 1 at the upper limit, 2 free
    for combination in np.ndindex(*(3,) * len(scale)):
        fixed = np.array(combination) < 2
        fixed_values = np.where(np.array(combination) == 1, upper, lower)[fixed]
        if not np.all(np.isfinite(fixed_values)):
            continue
        x = np.zeros(len(scale))
        x[fixed] = fixed_values
        inner = inverse[np.ix_(~fixed, ~fixed)]
        x[~fixed] = -np.linalg.solve(inner, inverse[np.ix_(~fixed, fixed)] @ fixed_values)
        value = x @ inverse @ x
        if np.all(x >= lower - 1e-12) and np.all(x <= upper + 1e-12) and value < lowest:
            best, lowest, at_limit = x, value, fixed
    return np.asarray(minimum) + best * scale, at_limit


def poisson(counts: Array, signal: Array, background: Array, **overrides: Any) -> Objective:
    """Return the objective of Poisson counts with means ``signal @ x + background``.

    Parameters
    ----------
    counts, background : array
        Counts and expected background in each bin, shape (k,).
    signal : array
        Expected counts in each bin for unit parameters, shape (k, n).
    **overrides
        Arguments of `Objective` that replace those of the counts.
    """

    def stat(x: Array) -> float:
        mean = signal @ x + background
        if np.any(mean <= 0):
            return np.inf
        return float(2 * (mean - counts * np.log(mean)).sum())

    def gradient(x: Array) -> Array:
        return 2 * signal.T @ (1 - counts / (signal @ x + background))

    def fisher(x: Array) -> Array:
        return 2 * (signal.T * (counts / (signal @ x + background) ** 2)) @ signal

    fields = {
        "names": [f"s{index}" for index in range(signal.shape[1])],
        "start": np.ones(signal.shape[1]),
        "stat": stat,
        "gradient_of": gradient,
        "fisher_of": fisher,
    }
    return Objective(**{**fields, **overrides})


def rosenbrock(stretch: float = 100.0, **overrides: Any) -> Objective:
    """Return Rosenbrock's function, ``stretch (y - x^2)^2 + (1 - x)^2``."""
    root = np.sqrt(stretch)

    def residuals(x: Array) -> Array:
        return np.array([root * (x[1] - x[0] ** 2), 1 - x[0]])

    def jacobian(x: Array) -> Array:
        return np.array([[-2 * root * x[0], root], [-1.0, 0.0]])

    fields = {
        "names": ["x", "y"],
        "start": [-1.2, 1.0],
        "stat": lambda x: float(residuals(x) @ residuals(x)),
        "gradient_of": lambda x: 2 * jacobian(x).T @ residuals(x),
        "fisher_of": lambda x: 2 * jacobian(x).T @ jacobian(x),
    }
    return Objective(**{**fields, **overrides})


def add_noise(stat: Any, amplitude: float) -> Any:
    """Return a statistic with reproducible noise, like rounding errors."""

    def with_noise(x: Array) -> float:
        seed = np.frombuffer(np.asarray(x, dtype=float).tobytes(), dtype=np.uint32)
        return float(stat(x) + amplitude * np.random.default_rng(seed).uniform(-1, 1))

    return with_noise
