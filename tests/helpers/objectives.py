"""Objectives with a known minimum and covariance."""

from __future__ import annotations

from typing import Any

import numpy as np

from skyred import Objective

Array = np.ndarray


def quadratic(covariance: Array, minimum: Array, **details: Any) -> Objective:
    """Return a quadratic -2 log L with gradient and Fisher matrix, from its covariance."""
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
    return Objective(**{**fields, **details})


def minimum_within_limits(covariance: Array, minimum: Array, limits: Array) -> tuple[Array, Array]:
    """Return the minimum of a quadratic within limits, and the parameters at limits.

    All combinations of parameters at limits are tried; the lowest one inside is the minimum of a
    convex function.
    """
    covariance = np.asarray(covariance, dtype=float)
    scale = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(covariance / np.outer(scale, scale))
    ends = ((np.asarray(limits, dtype=float) - np.asarray(minimum)[:, None]) / scale[:, None]).T
    best, lowest, at_limit = np.zeros(len(scale)), np.inf, np.zeros(len(scale), dtype=bool)
    for choice in np.ndindex(*(3,) * len(scale)):
        fixed = np.array(choice) < 2
        at = np.where(np.array(choice) == 1, ends[1], ends[0])[fixed]
        if not np.all(np.isfinite(at)):
            continue
        x = np.zeros(len(scale))
        x[fixed] = at
        inner = inverse[np.ix_(~fixed, ~fixed)]
        x[~fixed] = -np.linalg.solve(inner, inverse[np.ix_(~fixed, fixed)] @ at)
        value = x @ inverse @ x
        if np.all(x >= ends[0] - 1e-12) and np.all(x <= ends[1] + 1e-12) and value < lowest:
            best, lowest, at_limit = x, value, fixed
    return np.asarray(minimum) + best * scale, at_limit


def poisson(counts: Array, signal: Array, background: Array, **details: Any) -> Objective:
    """Return the statistic of counts with means ``signal @ x + background``, signal (k, n)."""

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
    return Objective(**{**fields, **details})


def rosenbrock(stretch: float = 100.0, **details: Any) -> Objective:
    """Return Rosenbrock's function, with residuals ``10 (y - x^2)`` and ``1 - x``."""
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
    return Objective(**{**fields, **details})


def noisy(stat: Any, size: float) -> Any:
    """Add reproducible noise to a statistic, like rounding errors."""

    def with_noise(x: Array) -> float:
        seed = np.frombuffer(np.asarray(x, dtype=float).tobytes(), dtype=np.uint32)
        return float(stat(x) + size * np.random.default_rng(seed).uniform(-1, 1))

    return with_noise
