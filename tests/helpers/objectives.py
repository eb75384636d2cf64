"""Objectives whose minimum and covariance are known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from skyred import Objective

Array = np.ndarray


def quadratic(covariance: Array, bottom: Array, **details: Any) -> Objective:
    """A parabola of -2 log L with gradient and Fisher matrix: its covariance is the one given."""
    covariance, bottom = np.asarray(covariance, dtype=float), np.asarray(bottom, dtype=float)
    scale = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(covariance / np.outer(scale, scale))

    def stat(x: Array) -> float:
        away = (x - bottom) / scale
        return float(away @ inverse @ away)

    def gradient(x: Array) -> Array:
        return 2 * inverse @ ((x - bottom) / scale) / scale

    known = {
        "names": [f"p{index}" for index in range(len(bottom))],
        "start": bottom + 3 * scale,
        "stat": stat,
        "gradient_of": gradient,
        "fisher_of": lambda x: 2 * inverse / np.outer(scale, scale),
        "steps": scale,
    }
    return Objective(**{**known, **details})


def on_limits(covariance: Array, bottom: Array, limits: Array) -> tuple[Array, Array]:
    """Give the minimum of a parabola within limits, and which parameters they hold.

    Every way to hold parameters at limits is tried; the lowest that lies inside is the minimum of a
    convex function.
    """
    covariance = np.asarray(covariance, dtype=float)
    scale = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(covariance / np.outer(scale, scale))
    ends = ((np.asarray(limits, dtype=float) - np.asarray(bottom)[:, None]) / scale[:, None]).T
    best, lowest, held = np.zeros(len(scale)), np.inf, np.zeros(len(scale), dtype=bool)
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
            best, lowest, held = x, value, fixed
    return np.asarray(bottom) + best * scale, held


def poisson(counts: Array, signal: Array, background: Array, **details: Any) -> Objective:
    """Counts with means ``signal @ x + background``; signal has shape (k, n)."""

    def stat(x: Array) -> float:
        mean = signal @ x + background
        if np.any(mean <= 0):
            return np.inf
        return float(2 * (mean - counts * np.log(mean)).sum())

    def gradient(x: Array) -> Array:
        return 2 * signal.T @ (1 - counts / (signal @ x + background))

    def fisher(x: Array) -> Array:
        return 2 * (signal.T * (counts / (signal @ x + background) ** 2)) @ signal

    known = {
        "names": [f"s{index}" for index in range(signal.shape[1])],
        "start": np.ones(signal.shape[1]),
        "stat": stat,
        "gradient_of": gradient,
        "fisher_of": fisher,
    }
    return Objective(**{**known, **details})


def banana(stretch: float = 100.0, **details: Any) -> Objective:
    """Rosenbrock's valley: residuals ``10 (y - x^2)`` and ``1 - x``, and their matrix."""
    root = np.sqrt(stretch)

    def residuals(x: Array) -> Array:
        return np.array([root * (x[1] - x[0] ** 2), 1 - x[0]])

    def jacobian(x: Array) -> Array:
        return np.array([[-2 * root * x[0], root], [-1.0, 0.0]])

    known = {
        "names": ["x", "y"],
        "start": [-1.2, 1.0],
        "stat": lambda x: float(residuals(x) @ residuals(x)),
        "gradient_of": lambda x: 2 * jacobian(x).T @ residuals(x),
        "fisher_of": lambda x: 2 * jacobian(x).T @ jacobian(x),
    }
    return Objective(**{**known, **details})


def noisy(stat: Any, size: float) -> Any:
    """Add noise to a statistic: the same each time at the same place, as rounding is."""

    def with_noise(x: Array) -> float:
        seed = np.frombuffer(np.asarray(x, dtype=float).tobytes(), dtype=np.uint32)
        return float(stat(x) + size * np.random.default_rng(seed).uniform(-1, 1))

    return with_noise
