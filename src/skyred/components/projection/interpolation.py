"""Linear interpolation along the axes of IRFs, as in gammapy's `IRF.evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gammapy.maps import MapAxis

Array = NDArray[np.float64]
SMALLEST = np.finfo(np.float32).tiny


@attrs.frozen(eq=False)
class Weights:
    """The weights of linear interpolation along one axis, at n points.

    Points beyond the first or last node are extrapolated.

    Parameters
    ----------
    n_nodes : int
        The number of nodes of the axis.
    index : numpy.ndarray of int
        The node below each point, shape (n,).
    fraction : numpy.ndarray
        The weight of the node above each point, shape (n,).
    in_range : numpy.ndarray of bool
        Whether each point is inside the edges of the axis, shape (n,).
    """

    n_nodes: int
    index: NDArray[np.intp]
    fraction: Array
    in_range: NDArray[np.bool_]

    @classmethod
    def create(cls, axis: MapAxis, points: Array) -> Weights:
        """Return the weights of points between the centres of the bins of an axis.

        Parameters
        ----------
        axis : gammapy.maps.MapAxis
            The axis; its nodes are interpolated linearly in its own scale (``axis.interp``).
        points : numpy.ndarray
            The points, in the unit of the axis, shape (n,).

        Returns
        -------
        Weights
            The weights. An axis with a single bin has the same value everywhere.
        """
        edges = axis.edges.value
        with np.errstate(invalid="ignore"):
            in_range = (points >= edges[0]) & (points <= edges[-1])
        if axis.nbin == 1:
            return cls(1, np.zeros(points.shape, dtype=np.intp), np.zeros(points.shape), in_range)
        nodes, scaled_points = scale(axis.center.value, axis.interp), scale(points, axis.interp)
        # at a node, the interval above it, as in scipy: it matters if a value is NaN
        index = np.searchsorted(nodes, scaled_points, side="right") - 1
        index = np.clip(index, 0, axis.nbin - 2)
        fraction = (scaled_points - nodes[index]) / (nodes[index + 1] - nodes[index])
        return cls(axis.nbin, index, fraction, in_range)

    @property
    def extrapolates(self) -> NDArray[np.bool_]:
        """Whether each point is beyond the first or last node, shape (n,)."""
        return (self.fraction < 0) | (self.fraction > 1)

    def apply(self, table: NDArray[Any], dimension: int) -> Array:
        """Interpolate a table along one of its dimensions.

        Parameters
        ----------
        table : numpy.ndarray
            The values at the nodes.
        dimension : int
            The dimension with the nodes of the axis.

        Returns
        -------
        numpy.ndarray
            The values at the points; the dimension has the length n.
        """
        if self.n_nodes == 1:
            return np.repeat(table, len(self.index), axis=dimension)
        shape = [1] * table.ndim
        shape[dimension] = -1
        fraction = self.fraction.reshape(shape)
        lower, upper = (table.take(index, dimension) for index in (self.index, self.index + 1))
        return np.asarray(lower * (1 - fraction) + upper * fraction)

    def apply_to_last(self, table: Array) -> Array:
        """Interpolate a table along its last dimension, at many points.

        Parameters
        ----------
        table : numpy.ndarray
            The values at the nodes, shape (..., n_nodes).

        Returns
        -------
        numpy.ndarray
            The values at the points, shape (..., n).
        """
        if not np.isfinite(table).all():  # a product would spread them to all points
            return self.apply(table, table.ndim - 1)
        matrix = np.zeros((self.n_nodes, len(self.index)))
        points = np.arange(len(self.index))
        matrix[self.index, points] = 1 - self.fraction
        if self.n_nodes > 1:
            matrix[self.index + 1, points] = self.fraction
        return table @ matrix


def scale(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Scale values as gammapy does before it interpolates.

    Parameters
    ----------
    values : numpy.ndarray
        The values.
    name : str
        The scale, ``"lin"`` or ``"log"``.

    Returns
    -------
    numpy.ndarray
        The scaled values, of the same type.
    """
    if name == "lin":
        return values
    # the logarithms of float32 are float32, as in gammapy
    return np.asarray(np.log(np.clip(values, np.finfo(values.dtype).tiny, np.inf)))
