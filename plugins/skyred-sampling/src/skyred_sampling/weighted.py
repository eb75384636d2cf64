"""Mean, covariance, quantiles and effective size of weighted samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def mean(samples: Array, weights: Array) -> Array:
    """Compute the mean, shape (n,), of samples of shape (m, n)."""
    return cast("Array", weights @ samples / weights.sum())


def covariance(samples: Array, weights: Array) -> Array:
    """Compute the covariance of samples, shape (n, n)."""
    deviations = samples - mean(samples, weights)
    return cast("Array", (deviations.T * weights) @ deviations / weights.sum())


def quantiles(samples: Array, weights: Array, fractions: Sequence[float]) -> Array:
    """Compute quantiles of each parameter, shape (number of fractions, n).

    Quantiles are interpolated between samples; the cumulative weight of a sample includes half of
    its own weight.
    """
    columns = [_quantiles(column, weights, fractions) for column in samples.T]
    return np.stack(columns, axis=1)


def _quantiles(column: Array, weights: Array, fractions: Sequence[float]) -> Array:
    order = np.argsort(column, kind="stable")
    sorted_weights = weights[order]
    cumulative = (np.cumsum(sorted_weights) - sorted_weights / 2) / weights.sum()
    return np.interp(fractions, cumulative, column[order])


def effective_size(weights: Array) -> float:
    """Compute Kish's effective sample size: (sum of weights)^2 / sum of their squares."""
    return float(weights.sum() ** 2 / (weights**2).sum())
