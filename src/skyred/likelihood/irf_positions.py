"""Positions at which the IRFs of a source are looked up, independent of the path of a fit.

gammapy looks up the IRFs at the initial position of a source. When a fit moves the source out of
its cutout, gammapy looks them up again, at the position of that step. gammapy's statistic therefore
depends on the path of the fit. skyred avoids this: near a reference position, within the margin
that gammapy also uses, the IRFs are those of the reference position. Farther away they are those of
the nearest node of a grid around this position. The reference position only changes in
`IrfPositions.move_to`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.pixel_positions import ModelPosition, separation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameter_subset import ParameterSubset

    Array = NDArray[np.float64]

REFERENCE_NODE = (0, 0)  # the grid node at the reference position
POSITION_TOLERANCE = 1e-6  # rad: IRFs vary over degrees; the statistic changes by less than 1e-8
MIN_COS_LATITUDE = 1e-3  # limits the spacing in longitude near the poles


class IrfPositions:
    """Grid of IRF positions of one model.

    Parameters
    ----------
    spatial : gammapy.modeling.models.SpatialModel
        The spatial model.
    subset : ParameterSubset
        The spatial parameters.
    irfs_follow_source : bool
        Whether the IRFs are looked up again for a source that has left its cutout. gammapy does not
        do so for region datasets, or for models that are evaluated on the full map.

    Attributes
    ----------
    reference : array
        The values of the spatial parameters for which the IRFs were looked up, shape (k,).
    """

    def __init__(self, spatial: Any, subset: ParameterSubset, irfs_follow_source: bool) -> None:
        self.spatial, self.subset = spatial, subset
        self.position = ModelPosition(spatial) if irfs_follow_source and subset.free else None
        self.move_to(np.array([parameter.value for parameter in subset.parameters], dtype=float))

    def move_to(self, values: Array) -> bool:
        """Set the reference position.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        bool
            Whether the reference has changed; a shift by less than `POSITION_TOLERANCE` is ignored.
        """
        from gammapy.datasets.evaluator import CUTOUT_MARGIN

        reference = getattr(self, "reference", None)
        if reference is not None and self._have_same_irfs(reference, values):
            return False
        self.reference = values.copy()
        if self.position is not None:
            self.subset.set(values)
            self.centre = self.position.radians(values)
            self.radius = (self.spatial.evaluation_radius + CUTOUT_MARGIN).to_value("rad")
        return True

    def _have_same_irfs(self, reference: Array, values: Array) -> bool:
        """Return whether the IRFs for two sets of values are the same, or differ negligibly."""
        if self.position is None:
            return np.array_equal(reference, values)
        axes = [self.position.lon_index, self.position.lat_index]
        distance = separation(*self.position.radians(reference), *self.position.radians(values))
        has_same_shape = np.array_equal(np.delete(reference, axes), np.delete(values, axes))
        return distance < POSITION_TOLERANCE and has_same_shape

    def node(self, values: Array) -> tuple[int, int]:
        """Return the grid node with the IRFs for values of the spatial parameters.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        tuple of int
            Column and row of the node.
        """
        if self.position is None:
            return REFERENCE_NODE
        lon, lat = self.position.radians(values)
        if not separation(lon, lat, *self.centre) > self.radius:
            return REFERENCE_NODE
        row = round((lat - self.centre[1]) / self.radius)
        east = np.remainder(lon - self.centre[0] + np.pi, 2 * np.pi) - np.pi
        return round(float(east) / self._longitude_step(row)), row

    def _longitude_step(self, row: int) -> float:
        """Return the spacing of the nodes of a row in longitude, in rad."""
        latitude = self.centre[1] + row * self.radius
        return float(self.radius / max(np.cos(latitude), MIN_COS_LATITUDE))

    def values_at(self, node: tuple[int, int]) -> Array:
        """Return the reference values, moved to the position of a node.

        Parameters
        ----------
        node : tuple of int
            Column and row of the node.

        Returns
        -------
        array
            Values of the spatial parameters, shape (k,).
        """
        values = self.reference.copy()
        if self.position is not None and node != REFERENCE_NODE:
            column, row = node
            east, north = column * self._longitude_step(row), row * self.radius
            lon_unit, lat_unit = self.position.unit_scales
            values[self.position.lon_index] += east / lon_unit
            pole = np.pi / 2 / lat_unit
            values[self.position.lat_index] = np.clip(
                values[self.position.lat_index] + north / lat_unit, -pole, pole
            )
        return values
