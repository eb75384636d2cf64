"""Rounding errors of gammapy's PSF convolution: datasets whose statistic depends on them.

gammapy convolves in float32 by FFT. Far from a source, where it predicts nothing, this leaves
counts of about 1e-9 of the maximum, of either sign. Beside any background they do not matter. But
in a bin with counts and no other predicted counts, gammapy takes their logarithm, or that of its
truncation value: the statistic is then random, and changes by up to 100 a count as a source moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from skyred.likelihood.source import Source
from skyred.likelihood.statistics import TRUNCATION, Cash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.datasets import CountsDataset
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]

ROUNDING = 3e-8  # of the maximum: the largest errors measured; their standard deviation is 1e-9
LARGEST_RATIO = 50.0  # of the logarithms of a rounding error and of the truncation value
TOLERANCE = 0.05  # in the statistic, for the largest errors: usual ones are thirty times smaller
RELATIVE_TOLERANCE = 3e-8  # of the statistic


def counts_on_rounding(dataset: CountsDataset, state: Vector) -> int:
    """Return how many counts lie where rounding errors decide over the statistic.

    Parameters
    ----------
    dataset : CountsDataset
        The compiled dataset.
    state : array
        The values of all parameters, shape (m,).

    Returns
    -------
    int
        Zero where rounding errors change the statistic by less than any fit could see.
    """
    sources = [part for part in dataset.parts if is_convolved(part)]
    if not sources or not isinstance(dataset.statistic, Cash):
        return 0
    counts = dataset.statistic.counts
    with np.errstate(all="ignore"):
        predicted, total = np.maximum(dataset.predict(state)[0], TRUNCATION), 0.0
        for source in sources:
            total += abs(source.counts(state).total)
        tolerance = max(TOLERANCE, RELATIVE_TOLERANCE * abs(dataset.stat(state)))
        if not _change(counts, predicted, ROUNDING * total) > tolerance:  # by an upper bound
            return 0
        rounding = ROUNDING * sum(_maxima(source, dataset, state) for source in sources)
        if not _change(counts, predicted, rounding) > tolerance:
            return 0
        return max(1, int(counts[rounding > 0.01 * predicted].sum()))


def is_convolved(part: object) -> TypeGuard[Source]:
    """Return whether a model contribution is an image that is convolved with a PSF."""
    return isinstance(part, Source) and part.contributes and part.response.kernel is not None


def _change(counts: Array, predicted: Array, rounding: Array | float) -> float:
    ratio = np.minimum(rounding / predicted, LARGEST_RATIO)
    return float(np.sqrt(np.sum((2 * counts * ratio) ** 2)))


def _maxima(source: Source, dataset: CountsDataset, state: Vector) -> Array:
    """Return the largest predicted counts of a source in each energy, shape (chosen bins,).

    Zero outside its cutout, where gammapy predicts exactly nothing. A start may predict far more
    than the counts of an energy: no fit ends there, so it is scaled down to them.
    """
    cube, predicted = np.zeros_like(dataset.counts), np.abs(source.cube(state))
    rows, columns = source.response.slices
    counts = np.where(dataset.bins.mask, dataset.counts, 0).sum(axis=(1, 2), keepdims=True)
    total = predicted.sum(axis=(1, 2), keepdims=True)
    share = np.where(total > counts, counts / np.where(total > 0, total, 1), 1)
    cube[:, rows, columns] = share * predicted.max(axis=(1, 2), keepdims=True)
    return dataset.bins.of(cube)
