"""Values of IRFs at the energies of a map and the offsets of its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from skyred.components.projection.interpolation import Array, Weights

if TYPE_CHECKING:
    from gammapy.irf import IRF

SPATIAL_AXES = frozenset({"offset", "fov_lon", "fov_lat"})


def is_supported(irf: Any, *types: type) -> bool:
    """Return whether an IRF is of one of the types, and is interpolated as gammapy does by default.

    Parameters
    ----------
    irf : object
        The IRF.
    *types : type
        The supported types; their subclasses are not supported, because they may override methods.

    Returns
    -------
    bool
        Whether it is supported.
    """
    if type(irf) not in types:
        return False
    is_default = irf.interp_kwargs == type(irf).default_interp_kwargs
    return is_default and {axis.interp for axis in irf.axes} <= {"lin", "log"}


def interpolate_table(
    irf: IRF, values: NDArray[Any], points: Mapping[str, Array]
) -> tuple[Array, NDArray[np.bool_]]:
    """Interpolate the values of an IRF along its axes of energy, radius or migration.

    Parameters
    ----------
    irf : gammapy.irf.IRF
        The IRF.
    values : numpy.ndarray
        Its values or their logarithms, with one dimension for each of its axes.
    points : mapping of str to numpy.ndarray
        The points by name of the axis, in its unit. Axes without points are not interpolated.

    Returns
    -------
    table : numpy.ndarray
        The interpolated values: first the dimensions of the axes of energy, radius or migration,
        then those of the field of view.
    in_range : numpy.ndarray of bool
        Whether the points are inside the edges of all axes, with the first of these dimensions.
    """
    table = values.astype(float)
    in_range = np.ones((1,) * sum(axis.name not in SPATIAL_AXES for axis in irf.axes), dtype=bool)
    first = [index for index, axis in enumerate(irf.axes) if axis.name not in SPATIAL_AXES]
    last = [index for index in range(len(irf.axes)) if index not in first]
    for position, index in enumerate(first):
        axis = irf.axes[index]
        if axis.name in points:
            weights = Weights.create(axis, points[axis.name])
            table = weights.apply(table, index)
            shape = [1] * len(first)
            shape[position] = -1
            in_range = in_range & weights.in_range.reshape(shape)
    return np.transpose(table, (*first, *last)), in_range


def weigh_offsets(irf: IRF, offsets: Array) -> Weights:
    """Return the weights of interpolation in the offset.

    Parameters
    ----------
    irf : gammapy.irf.IRF
        An IRF with an axis ``offset``.
    offsets : numpy.ndarray
        The offsets in deg, shape (n,).

    Returns
    -------
    Weights
        The weights.
    """
    axis = irf.axes["offset"]
    return Weights.create(axis, offsets * u.deg.to(axis.unit))


def evaluate_at_offsets(irf: IRF, offsets: Array, points: Mapping[str, Array]) -> Array:
    """Evaluate an IRF that is interpolated linearly, as gammapy's `IRF.evaluate`.

    Parameters
    ----------
    irf : gammapy.irf.IRF
        An IRF with an axis ``offset``.
    offsets : numpy.ndarray
        The offsets in deg, shape (n,).
    points : mapping of str to numpy.ndarray
        The points by name of the other axes, in their units.

    Returns
    -------
    numpy.ndarray
        The values, in the unit of the IRF: the dimensions of the other axes, then n. They are 0
        outside the edges of the axes, and where the IRF is not finite.
    """
    table, in_range = interpolate_table(irf, irf.data, points)
    weights = weigh_offsets(irf, offsets)
    values = weights.apply_to_last(table)
    return set_invalid_to_zero(values, in_range, weights.in_range)


def set_invalid_to_zero(
    values: Array, in_range: NDArray[np.bool_], pixel_in_range: NDArray[np.bool_]
) -> Array:
    """Set values to 0 that are negative, not finite or outside the edges of an axis.

    Parameters
    ----------
    values : numpy.ndarray
        The values, shape (..., n), changed in place.
    in_range : numpy.ndarray of bool
        Whether the points of each axis are inside, broadcastable to the first dimensions.
    pixel_in_range : numpy.ndarray of bool
        Whether the pixels are inside, shape (n,).

    Returns
    -------
    numpy.ndarray
        The values.
    """
    np.maximum(values, 0, out=values)  # NaN remains
    if not in_range.all():
        values[~np.broadcast_to(in_range, values.shape[:-1])] = 0
    if not pixel_in_range.all():
        values[..., ~pixel_in_range] = 0
    if not np.isfinite(values.sum()):
        values[~np.isfinite(values)] = 0
    return values
