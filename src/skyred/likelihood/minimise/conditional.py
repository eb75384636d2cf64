"""Conditional objectives: some parameters fixed, the others free."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.interfaces.objective import Conditional
from skyred.likelihood.minimise.differences import gradient_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Derivative, Objective, PixelGrid, SharpSource

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

    def gradient_of_some(places: Index) -> Derivative:
        of_full = gradient_by(objective, free[places])
        return lambda x: of_full(full(x))

    some = _functions(objective, free, fixed)
    gradient, fisher = some.gradient_of, some.fisher_of
    index = {int(place): at for at, place in enumerate(free)}
    others = objective.prior_without_quantile
    return attrs.evolve(
        objective,
        names=[objective.names[place] for place in free],
        units=[objective.units[place] for place in free],
        start=fixed[free],
        limits=objective.limits[free],
        steps=of_free(objective.steps),
        may_be_non_smooth=of_free(objective.may_be_non_smooth),
        factors=of_free(objective.factors),
        costly=of_free(objective.costly),
        stat=lambda x: some.stat(full(x)),
        prior=None if objective.prior is None else lambda x: objective.prior_stat(full(x)),
        prior_without_quantile=None if others is None else lambda x: others(full(x)),
        quantiles=[objective.quantiles[place] for place in free] if objective.quantiles else (),
        gradient_of=None if objective.gradient_of is None else lambda x: gradient(full(x)),
        fisher_of=None if objective.fisher_of is None else lambda x: fisher(full(x)),
        grids=conditional_grids(objective, free, full),
        sharp=None if objective.sharp is None else lambda x: _sharp(objective, index, full(x)),
        blocks=(),
        refresh=None,
        relocate=None,
        condition=None,
        gradient_by=None if objective.gradient_by is None else gradient_of_some,
        on_accept=None,
    )


def _functions(objective: Objective, free: Index, values: Array) -> Conditional:
    if objective.condition is not None:
        return objective.condition(free, values)
    return Conditional(
        objective.stat, gradient_by(objective, free), lambda x: fisher_by(objective, free, x)
    )


def _sharp(objective: Objective, index: dict[int, int], x: Array) -> list[SharpSource]:
    """Return the sources with sharp edges that have free parameters left."""
    sources = []
    for source in objective.sharp(x) if objective.sharp else ():
        left = [place in index for place in source.places.tolist()]
        if not any(left):
            continue
        places, sizes, related = (
            np.array([index[place] for place in every.tolist() if place in index], dtype=int)
            for every in (source.places, source.sizes, source.related)
        )
        pixels = source.pixels[left]
        sources.append(
            attrs.evolve(source, places=places, pixels=pixels, sizes=sizes, related=related)
        )
    return sources


def fisher_by(objective: Objective, places: Index, x: Array) -> Array:
    """Return the Fisher matrix by some parameters, shape (k, k)."""
    fisher = objective.fisher(x)
    assert fisher is not None
    return np.asarray(fisher)[np.ix_(places, places)]


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
