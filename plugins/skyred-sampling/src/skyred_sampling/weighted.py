"""Weighted samples: their mean, covariance, quantiles and effective number."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def mean(samples: Array, weights: Array) -> Array:
    """Give the mean of samples of shape (m, n), shape (n,)."""
    return cast("Array", weights @ samples / weights.sum())


def covariance(samples: Array, weights: Array) -> Array:
    """Give their covariance, shape (n, n)."""
    away = samples - mean(samples, weights)
    return cast("Array", (away.T * weights) @ away / weights.sum())


def quantiles(samples: Array, weights: Array, fractions: Sequence[float]) -> Array:
    """Give quantiles of each parameter, shape (number of fractions, n).

    Between samples they are interpolated, each sample standing in the middle of its weight.
    """
    columns = [_quantiles(column, weights, fractions) for column in samples.T]
    return np.stack(columns, axis=1)


def _quantiles(column: Array, weights: Array, fractions: Sequence[float]) -> Array:
    order = np.argsort(column, kind="stable")
    sorted_weights = weights[order]
    below = (np.cumsum(sorted_weights) - sorted_weights / 2) / weights.sum()
    return np.interp(fractions, below, column[order])


def effective_size(weights: Array) -> float:
    """Give Kish's effective sample size: (sum of weights)^2 / sum of their squares."""
    return float(weights.sum() ** 2 / (weights**2).sum())
