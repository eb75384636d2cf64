"""Conditional objectives, with some parameters fixed and the others free."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.interfaces.objective import Conditional
from skyred.likelihood.minimise.differences import gradient_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Derivative, Objective, PixelGrid, SharpEdgedSource

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


def conditional_objective(objective: Objective, free: Index, values: Array) -> Objective:
    """Return the objective of some parameters, with the others fixed.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters.
    free : array of int
        Indices of the k free parameters, shape (k,).
    values : array
        Values of all parameters, shape (n,): starting values of the free parameters, and constant
        values of the others.

    Returns
    -------
    Objective
        The objective of the k free parameters, in the order of `free`. It includes the priors of
        all n parameters.
    """
    fixed = np.array(values, dtype=float)

    def to_full(x: Array) -> Array:
        full_values = fixed.copy()
        full_values[free] = x
        return full_values

    def select_free(array: Any) -> Any:
        return None if array is None else np.asarray(array)[free]

    def gradient_by_indices(indices: Index) -> Derivative:
        full_gradient = gradient_by(objective, free[indices])
        return lambda x: full_gradient(to_full(x))

    statistic = _conditional_statistic(objective, free, fixed)
    gradient, fisher = statistic.gradient_of, statistic.fisher_of
    positions = {int(index): position for position, index in enumerate(free)}
    unsampled_prior = objective.prior_without_quantile
    return attrs.evolve(
        objective,
        names=[objective.names[index] for index in free],
        units=[objective.units[index] for index in free],
        start=fixed[free],
        limits=objective.limits[free],
        steps=select_free(objective.steps),
        may_be_non_smooth=select_free(objective.may_be_non_smooth),
        factors=select_free(objective.factors),
        costly=select_free(objective.costly),
        stat=lambda x: statistic.stat(to_full(x)),
        prior=None if objective.prior is None else lambda x: objective.prior_stat(to_full(x)),
        prior_without_quantile=None
        if unsampled_prior is None
        else lambda x: unsampled_prior(to_full(x)),
        quantiles=[objective.quantiles[index] for index in free] if objective.quantiles else (),
        gradient_of=None if objective.gradient_of is None else lambda x: gradient(to_full(x)),
        fisher_of=None if objective.fisher_of is None else lambda x: fisher(to_full(x)),
        grids=conditional_grids(objective, free, to_full),
        sharp=None
        if objective.sharp is None
        else lambda x: _conditional_sharp_edged_sources(objective, positions, to_full(x)),
        blocks=(),
        refresh=None,
        relocate=None,
        condition=None,
        gradient_by=None if objective.gradient_by is None else gradient_by_indices,
        on_accept=None,
    )


def _conditional_statistic(objective: Objective, free: Index, values: Array) -> Conditional:
    if objective.condition is not None:
        return objective.condition(free, values)
    return Conditional(
        objective.stat, gradient_by(objective, free), lambda x: fisher_by(objective, free, x)
    )


def _conditional_sharp_edged_sources(
    objective: Objective, positions: dict[int, int], x: Array
) -> list[SharpEdgedSource]:
    """Return the sources with sharp edges that have free parameters.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters.
    positions : dict of int to int
        The position of each free parameter in the vector of free parameters, by its index among
        all parameters.
    x : array
        All parameters, shape (n,).

    Returns
    -------
    list of SharpEdgedSource
        The sources, with indices among the free parameters.
    """
    sources = []
    for source in objective.sharp(x) if objective.sharp else ():
        is_free = [index in positions for index in source.indices.tolist()]
        if not any(is_free):
            continue
        indices, sizes, related = (
            np.array(
                [positions[index] for index in array.tolist() if index in positions], dtype=int
            )
            for array in (source.indices, source.sizes, source.related)
        )
        pixels = source.pixels[is_free]
        sources.append(
            attrs.evolve(source, indices=indices, pixels=pixels, sizes=sizes, related=related)
        )
    return sources


def fisher_by(objective: Objective, indices: Index, x: Array) -> Array:
    """Return the block of the Fisher matrix for some parameters.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters, with a Fisher matrix.
    indices : array of int
        Indices of the k parameters, shape (k,).
    x : array
        All parameters, shape (n,).

    Returns
    -------
    array
        The block, shape (k, k).
    """
    fisher = objective.fisher(x)
    assert fisher is not None
    return np.asarray(fisher)[np.ix_(indices, indices)]


def _to_pixels(grid: PixelGrid, to_full: Derivative, x: Array) -> Array:
    return grid.to_pixels(to_full(x))


def _to_sky(grid: PixelGrid, to_full: Derivative, pixel: Array, x: Array) -> Array:
    return grid.to_sky(pixel, to_full(x))


def conditional_grids(objective: Objective, free: Index, to_full: Derivative) -> list[PixelGrid]:
    """Return the pixel grids of the sources whose position parameters are among the free ones.

    Parameters
    ----------
    objective : Objective
        The objective of all n parameters.
    free : array of int
        Indices of the k free parameters, shape (k,).
    to_full : callable
        Function of the free parameters, shape (k,), that returns all parameters, shape (n,).

    Returns
    -------
    list of PixelGrid
        The grids as functions of the free parameters.
    """
    positions = {int(index): position for position, index in enumerate(free)}
    grids = []
    for grid in objective.grids:
        if not all(index in positions for index in grid.indices.tolist()):
            continue
        grids.append(
            attrs.evolve(
                grid,
                indices=np.array([positions[index] for index in grid.indices.tolist()], dtype=int),
                related=np.array(
                    [positions[index] for index in grid.related.tolist() if index in positions],
                    dtype=int,
                ),
                to_pixels=partial(_to_pixels, grid, to_full),
                to_sky=partial(_to_sky, grid, to_full),
                size=None if grid.size is None else positions.get(grid.size),
            )
        )
    return grids
