"""Correlations of parameters, computed from the Fisher matrix without inverting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

MIN_CORRELATION = 0.03  # parameters with a larger correlation are fitted together with a source


def fisher_correlations(fisher: Array) -> Array:
    """Return the absolute values of the elements of a Fisher matrix with a diagonal of one.

    Parameters
    ----------
    fisher : array
        The Fisher matrix, shape (n, n).

    Returns
    -------
    array
        The correlations, shape (n, n); zero for parameters whose diagonal element is not positive.
    """
    scale = np.sqrt(np.where(np.diag(fisher) > 0, np.diag(fisher), np.inf))
    return np.asarray(np.abs(fisher / np.outer(scale, scale)))


def correlated_with(correlations: Array, indices: Index) -> Index:
    """Return the indices of some parameters, and of all parameters correlated with any of them.

    Parameters
    ----------
    correlations : array
        The correlations, shape (n, n).
    indices : array of int
        Indices of the k parameters, shape (k,).

    Returns
    -------
    array of int
        Indices of these parameters and of those with a correlation larger than `MIN_CORRELATION`,
        increasing.
    """
    is_correlated = np.any(correlations[indices] > MIN_CORRELATION, axis=0)
    is_correlated[indices] = True
    return np.flatnonzero(is_correlated)
