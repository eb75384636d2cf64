"""Sources with sharp edges: their parameters, limits of a first search, whether they matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.sharp_profile import SharpProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective, SharpSource

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

TINY = 0.2  # pixels: sizes below are searched last


def places_of(sources: Sequence[SharpSource]) -> Index:
    """Return the places of the parameters of all sources, shape (k,)."""
    return np.concatenate([source.places for source in sources])


def is_uneven(objective: Objective, x: Array, sources: Sequence[SharpSource]) -> bool:
    """Return whether the sharp edges of sources can be seen in the statistic around a minimum.

    Those of a source that is large beside the pixels, or weak, even out.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    x : array
        The minimum, shape (n,).
    sources : sequence of SharpSource
        Those with sharp edges.
    """
    places = places_of(sources)
    return any(
        SharpProfile(objective, source, x, np.setdiff1d(places, source.places)).is_uneven
        for source in sources
    )


def without_small_sizes(objective: Objective, sources: Sequence[SharpSource]) -> Objective:
    """Return an objective with lower limits on the sizes of sources with sharp edges.

    Where these are small beside a pixel, the model is evaluated at thousands of points for each
    pixel, and the statistic hardly depends on them.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    sources : sequence of SharpSource
        Those with sharp edges.

    Returns
    -------
    Objective
        Sizes that start below the limit stay above their start.
    """
    limits, start = objective.limits.copy(), objective.start
    for source in sources:
        pixels = source.pixels[np.isin(source.places, source.sizes)]
        smallest = np.minimum(TINY * pixels, start[source.sizes])
        limits[source.sizes, 0] = np.maximum(limits[source.sizes, 0], smallest)
    return attrs.evolve(objective, limits=limits)
