"""Sizes of sources with sharp edges: searches from other sizes, and sizes compatible with zero."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.minimise.conditional import conditional_objective
from skyred.likelihood.minimise.newton import descend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpEdgedSource

    Array = NDArray[np.float64]

SIZE_FACTORS = (1.0, 1 / 3, 3.0)
MIN_SIZE = 0.5  # pixels
MIN_SIGNIFICANCE = 3  # of a size, in units of its error
COARSE_TOLERANCE = 1e-2  # in the statistic
MAX_ITERATIONS = 15


def find_lower_sizes(
    objective: Objective, source: SharpEdgedSource, x: Array, max_stat: float
) -> tuple[Array | None, int]:
    """Find a point with a lower statistic and other sizes of a source.

    A search may have reached sizes at which the statistic is constant, such as a shell with an
    inner radius of zero.

    Parameters
    ----------
    objective : Objective
        The objective, with derivatives.
    source : SharpEdgedSource
        The source.
    x : array
        All parameters, shape (n,).
    max_stat : float
        The statistic has to be lower than this value.

    Returns
    -------
    x : array or None
        The lower point, shape (n,); None if there is none.
    calls : int
        Number of calls of the objective and its derivatives.
    """
    sizes, free, calls = source.sizes, source.related, 0
    min_sizes = MIN_SIZE * source.pixels[np.isin(source.indices, sizes)]
    for factors in product(SIZE_FACTORS, repeat=len(sizes)):
        start = x.copy()
        start[sizes] = np.maximum(np.abs(x[sizes]) * factors, min_sizes)
        start = np.clip(start, *objective.limits.T)
        if np.array_equal(start, x):
            continue
        descent = descend(
            conditional_objective(objective, free, start),
            COARSE_TOLERANCE,
            start[free],
            max_iterations=MAX_ITERATIONS,
            threshold=max_stat,
        )
        calls += descent.calls
        start[free] = descent.x
        if objective.total(start) < max_stat:
            return start, calls
    return None, calls


def list_unresolved_sizes(
    objective: Objective, x: Array, covariance: Array, sources: Sequence[SharpEdgedSource]
) -> list[str]:
    """Return the names of the sizes that are compatible with zero.

    Parameters
    ----------
    objective : Objective
        The objective.
    x : array
        The minimum, shape (n,).
    covariance : array
        The covariance, shape (n, n).
    sources : sequence of SharpEdgedSource
        The sources with sharp edges, at least one.

    Returns
    -------
    list of str
        The names of sizes of less than `MIN_SIGNIFICANCE` errors.
    """
    sizes = np.concatenate([source.sizes for source in sources])
    limits = MIN_SIGNIFICANCE * np.sqrt(np.diag(covariance)[sizes])
    return [objective.names[size] for size in sizes[np.abs(x[sizes]) < limits]]
