"""Datasets with a statistic that depends on the rounding errors of gammapy's PSF convolution.

gammapy convolves in float32 by FFT. Far from a source, the rounding errors are about 1e-9 of the
largest predicted counts, with either sign. They are negligible compared with any background. But in
a bin with counts and without other predicted counts, the statistic contains the logarithm of
the rounding error, or of gammapy's truncation value if the error is negative. The statistic then
fluctuates randomly, by up to 100 per count, as a source moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from skyred.likelihood.fixed_counts import sum_of_cubes
from skyred.likelihood.source import SourceContribution
from skyred.likelihood.statistics import TRUNCATION, Cash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.counts_dataset import CountsDataset
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]

ROUNDING = 3e-8  # of the maximum: the largest measured error; the standard deviation is 1e-9
MAX_LOG_CHANGE = 50.0  # from the logarithm of the truncation value to that of a rounding error
TOLERANCE = 0.05  # in the statistic, for the largest errors; typical errors are 30 times smaller
# a bin has more counts than MAX_COUNTS + MAX_FACTOR * predicted counts only at start values
MAX_COUNTS, MAX_FACTOR = 3.0, 10.0
RELATIVE_TOLERANCE = 3e-8  # of the statistic


def count_unpredicted_events(dataset: CountsDataset, state: Vector) -> int:
    """Count the events in bins where rounding errors dominate the prediction.

    Parameters
    ----------
    dataset : CountsDataset
        The compiled dataset.
    state : array
        Values of all parameters, shape (m,).

    Returns
    -------
    int
        The number of events; zero if rounding errors change the statistic by at most a tolerance.
    """
    sources = [contribution for contribution in dataset.contributions if is_convolved(contribution)]
    if not sources or not isinstance(dataset.statistic, Cash):
        return 0
    counts = dataset.statistic.counts
    with np.errstate(all="ignore"):
        tolerance = max(TOLERANCE, RELATIVE_TOLERANCE * abs(dataset.stat(state)))
        bound = ROUNDING * sum(abs(source.counts(state).total) for source in sources)
        predicted = np.maximum(dataset.predict(state)[0], TRUNCATION)
        if not _estimate_change(counts, predicted, bound) > tolerance:
            return 0
        # start values may predict many more counts at an energy than were measured, but best-fit
        # values do not
        cubes = [_limit_to_counts(source, dataset, state) for source in sources]
        others = [
            contribution for contribution in dataset.contributions if contribution not in sources
        ]
        predicted = sum_of_cubes(others, dataset.counts.shape, state)
        predicted = dataset.bins.select(predicted + sum(np.maximum(cube, 0) for cube in cubes))
        rounding = ROUNDING * sum(
            _find_maxima(source, cube, dataset) for source, cube in zip(sources, cubes, strict=True)
        )
        if not _estimate_change(counts, np.maximum(predicted, TRUNCATION), rounding) > tolerance:
            return 0
        return max(1, int(counts[rounding > 0.01 * predicted].sum()))


def is_convolved(contribution: object) -> TypeGuard[SourceContribution]:
    """Return whether a model contribution is a source on the map that is convolved with the PSF.

    Parameters
    ----------
    contribution : Contribution
        The model contribution.

    Returns
    -------
    bool
        Whether it is a source that contributes to the map and has a PSF kernel.
    """
    return (
        isinstance(contribution, SourceContribution)
        and contribution.contributes
        and contribution.response.kernel is not None
    )


def _estimate_change(counts: Array, predicted: Array, rounding: Array | float) -> float:
    """Return the change of the statistic due to rounding errors, estimated from -2 n log mu."""
    log_change = np.minimum(rounding / predicted, MAX_LOG_CHANGE)
    # start values may predict no counts at a bright source, but best-fit values do not
    plausible_counts = np.minimum(counts, MAX_COUNTS + MAX_FACTOR * predicted)
    return float(np.sqrt(np.sum((2 * plausible_counts * log_change) ** 2)))


def _limit_to_counts(source: SourceContribution, dataset: CountsDataset, state: Vector) -> Array:
    """Return the predicted counts of a source, scaled down to the counts at each energy.

    A source with a negative flux at the start is made positive, as in the first steps of a fit.
    """
    predicted = source.cube(state)
    predicted = predicted * (-1 if predicted.sum() < 0 else 1)
    counts = np.where(dataset.bins.mask, dataset.counts, 0).sum(axis=(1, 2), keepdims=True)
    total = np.abs(predicted).sum(axis=(1, 2), keepdims=True)
    return predicted * np.where(total > counts, counts / np.where(total > 0, total, 1), 1)


def _find_maxima(source: SourceContribution, predicted: Array, dataset: CountsDataset) -> Array:
    """Return, for each selected bin, the largest predicted counts of a source at the same energy.

    They are zero outside the cutout of the source, where gammapy predicts exactly zero counts.
    """
    cube = np.zeros_like(dataset.counts)
    rows, columns = source.response.slices
    cube[:, rows, columns] = np.abs(predicted).max(axis=(1, 2), keepdims=True)
    return dataset.bins.select(cube)
