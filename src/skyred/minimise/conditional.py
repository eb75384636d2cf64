"""Conditional objectives: some parameters fixed, the others free."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.objective import Derivative, Objective, PixelGrid

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


def conditional(objective: Objective, free: Index, values: Array) -> Objective:
    """Return the objective of some parameters, with the others fixed.

    Parameters
    ----------
    objective : Objective
        Of n parameters.
    free : array of int
        The parameters that stay free, shape (k,).
    values : array
        The values of all parameters, shape (n,): where the free ones start, and the others stay.

    Returns
    -------
    Objective
        Of k parameters, in the order of `free`. Its priors are those of all n parameters.
    """
    fixed = np.array(values, dtype=float)

    def full(x: Array) -> Array:
        complete = fixed.copy()
        complete[free] = x
        return complete

    def of_free(array: Any) -> Any:
        return None if array is None else np.asarray(array)[free]

    gradient, fisher = _derivatives(objective, free)
    remainder = objective.remainder
    return attrs.evolve(
        objective,
        names=[objective.names[place] for place in free],
        units=[objective.units[place] for place in free],
        start=fixed[free],
        limits=objective.limits[free],
        steps=of_free(objective.steps),
        rough=of_free(objective.rough),
        factors=of_free(objective.factors),
        costly=of_free(objective.costly),
        stat=lambda x: objective.stat(full(x)),
        prior=None if objective.prior is None else lambda x: objective.prior_stat(full(x)),
        remainder=None if remainder is None else lambda x: remainder(full(x)),
        quantiles=[objective.quantiles[place] for place in free] if objective.quantiles else (),
        gradient_of=None if gradient is None else lambda x: gradient(full(x)),
        fisher_of=None if fisher is None else lambda x: fisher(full(x)),
        grids=conditional_grids(objective, free, full),
        blocks=(),
        refresh=None,
        relocate=None,
        restrict=None,
        on_accept=None,
    )


def _derivatives(objective: Objective, free: Index) -> tuple[Derivative | None, Derivative | None]:
    if objective.restrict is not None:
        return objective.restrict(free)
    gradient, fisher = objective.gradient_of, objective.fisher_of
    return (
        None if gradient is None else lambda x: gradient(x)[free],
        None if fisher is None else lambda x: fisher(x)[np.ix_(free, free)],
    )


def _to_pixels(grid: PixelGrid, full: Derivative, x: Array) -> Array:
    return grid.to_pixels(full(x))


def _to_sky(grid: PixelGrid, full: Derivative, pixel: Array, x: Array) -> Array:
    return grid.to_sky(pixel, full(x))


def conditional_grids(objective: Objective, free: Index, full: Derivative) -> list[PixelGrid]:
    """Return the pixel grids of the sources whose position is free as before."""
    index = {int(place): at for at, place in enumerate(free)}
    grids = []
    for grid in objective.grids:
        if not all(place in index for place in grid.places.tolist()):
            continue
        grids.append(
            attrs.evolve(
                grid,
                places=np.array([index[place] for place in grid.places.tolist()], dtype=int),
                related=np.array(
                    [index[p] for p in grid.related.tolist() if p in index], dtype=int
                ),
                to_pixels=partial(_to_pixels, grid, full),
                to_sky=partial(_to_sky, grid, full),
                size=None if grid.size is None else index.get(grid.size),
            )
        )
    return grids
