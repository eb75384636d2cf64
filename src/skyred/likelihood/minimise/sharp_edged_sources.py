"""Sources with sharp edges: parameters, lower limits of sizes, smoothness of the statistic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.sharp_edge_profile import SharpEdgeProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpEdgedSource

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

MIN_SIZE = 0.2  # pixels: lower limit of sizes in the first search


def spatial_indices(sources: Sequence[SharpEdgedSource]) -> Index:
    """Return the indices of the free spatial parameters of sources with sharp edges.

    Parameters
    ----------
    sources : sequence of SharpEdgedSource
        The sources, at least one.

    Returns
    -------
    array of int
        Indices of the parameters, shape (k,).
    """
    return np.concatenate([source.indices for source in sources])


def is_non_smooth(objective: Objective, x: Array, sources: Sequence[SharpEdgedSource]) -> bool:
    """Return whether sharp edges make the statistic non-smooth around a minimum.

    If a source is weak, or large compared with a pixel, the effect of the edges is negligible.

    Parameters
    ----------
    objective : Objective
        The objective that was minimised.
    x : array
        The minimum, shape (n,).
    sources : sequence of SharpEdgedSource
        The sources with sharp edges.

    Returns
    -------
    bool
        Whether the statistic is a non-smooth function of the spatial parameters of any source.
    """
    indices = spatial_indices(sources)
    return any(
        SharpEdgeProfile(objective, source, x, np.setdiff1d(indices, source.indices)).is_non_smooth
        for source in sources
    )


def with_min_sizes(objective: Objective, sources: Sequence[SharpEdgedSource]) -> Objective:
    """Return an objective with lower limits on the sizes of sources with sharp edges.

    If a size is small compared with a pixel, gammapy evaluates the model at thousands of points per
    pixel, and the statistic hardly depends on the size.

    Parameters
    ----------
    objective : Objective
        The objective to minimise.
    sources : sequence of SharpEdgedSource
        The sources with sharp edges.

    Returns
    -------
    Objective
        The objective with lower limits of 0.2 pixels. If a size starts below this, its limit is the
        starting value.
    """
    limits, start = objective.limits.copy(), objective.start
    for source in sources:
        pixel_sizes = source.pixels[np.isin(source.indices, source.sizes)]
        min_sizes = np.minimum(MIN_SIZE * pixel_sizes, start[source.sizes])
        limits[source.sizes, 0] = np.maximum(limits[source.sizes, 0], min_sizes)
    return attrs.evolve(objective, limits=limits)
