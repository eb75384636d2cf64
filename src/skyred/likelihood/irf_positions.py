"""IRF positions: where the IRFs of a source are looked up, the same for every path of a fit.

gammapy looks the IRFs up where a source is first, and again where it has left its cutout: at
whatever values the fit tries just then. Its statistic depends on the path. Here it does not: the
IRFs are those of a reference position, and beyond gammapy's margin those of the nearest node of a
grid around it. The reference changes only on demand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.sky import ModelPosition, separation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import Share

    Array = NDArray[np.float64]

REFERENCE = (0, 0)  # the grid node at the reference position
SAME_POSITION = 1e-6  # rad: IRFs vary over degrees, the statistic by less than 1e-8
CLOSEST_TO_POLE = 1e-3  # cosine of the latitude


class IrfPositions:
    """The grid of IRF positions of one model.

    Parameters
    ----------
    spatial : gammapy.modeling.models.SpatialModel
        The spatial model.
    share : Share
        Its parameters.
    moves : bool
        Whether the IRFs are looked up again for a source that left its cutout. gammapy does not do
        so in regions, nor for models that are evaluated on the whole map.

    Attributes
    ----------
    reference : array
        The values of the spatial parameters for which the IRFs were looked up, shape (k,).
    """

    def __init__(self, spatial: Any, share: Share, moves: bool) -> None:
        self.spatial, self.share = spatial, share
        self.place = ModelPosition(spatial) if moves and share.free else None
        self.move_to(np.array([parameter.value for parameter in share.parameters], dtype=float))

    def move_to(self, values: Array) -> bool:
        """Make values of the spatial parameters the reference; return whether they differ."""
        from gammapy.datasets.evaluator import CUTOUT_MARGIN

        known = getattr(self, "reference", None)
        if known is not None and self._is_same(known, values):
            return False
        self.reference = values.copy()
        if self.place is not None:
            self.share.set(values)
            self.centre = self.place.radians(values)
            self.reach = (self.spatial.evaluation_radius + CUTOUT_MARGIN).to_value("rad")
        return True

    def _is_same(self, known: Array, values: Array) -> bool:
        """Return whether the IRFs for two sets of values differ by rounding only."""
        if self.place is None:
            return np.array_equal(known, values)
        axes = [self.place.lon, self.place.lat]
        away = separation(*self.place.radians(known), *self.place.radians(values))
        others = np.delete(known, axes), np.delete(values, axes)
        return away < SAME_POSITION and np.array_equal(*others)

    def node(self, values: Array) -> tuple[int, int]:
        """Return the node whose IRFs apply to values of the spatial parameters."""
        if self.place is None:
            return REFERENCE
        lon, lat = self.place.radians(values)
        if not separation(lon, lat, *self.centre) > self.reach:
            return REFERENCE
        row = round((lat - self.centre[1]) / self.reach)
        east = np.remainder(lon - self.centre[0] + np.pi, 2 * np.pi) - np.pi
        return round(float(east) / self._width(row)), row

    def _width(self, row: int) -> float:
        """Return the spacing of the nodes of a row in longitude, in rad."""
        latitude = self.centre[1] + row * self.reach
        return float(self.reach / max(np.cos(latitude), CLOSEST_TO_POLE))

    def values_at(self, node: tuple[int, int]) -> Array:
        """Return the reference values with the position of a node."""
        values = self.reference.copy()
        if self.place is not None and node != REFERENCE:
            column, row = node
            east, north = column * self._width(row), row * self.reach
            values[self.place.lon] += east / self.place.units[0]
            pole = np.pi / 2 / self.place.units[1]
            values[self.place.lat] = np.clip(
                values[self.place.lat] + north / self.place.units[1], -pole, pole
            )
        return values
