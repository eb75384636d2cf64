"""Source cutouts: a source with the IRFs of one position, and its templates there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.bins import Bins, Footprint, Mixture, Template
from skyred.likelihood.contribution import Recent
from skyred.likelihood.parameters import Share
from skyred.likelihood.response import Instrument, Response
from skyred.likelihood.shapes import ExtendedShape, GeneralShape, PointShape, Shape

if TYPE_CHECKING:
    from gammapy.datasets.evaluator import MapEvaluator
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

MEMORY = 2**25  # bytes, for the templates of a cutout that are kept


class SourceCutout:
    """One source with the IRFs at the present values of its spatial parameters.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source.
    instrument : Instrument
        The IRFs of the dataset.
    bins : Bins
        Its bins.
    share : Share
        The spatial parameters.

    Attributes
    ----------
    evaluator : gammapy.datasets.evaluator.MapEvaluator
        gammapy's evaluator, updated.
    contributes : bool
        Whether the source reaches the map; without that there is no response, footprint or shape.
    """

    response: Response
    footprint: Footprint
    shape: Shape

    def __init__(self, model: SkyModel, instrument: Instrument, bins: Bins, share: Share) -> None:
        self.share = share
        self.evaluator: MapEvaluator = instrument.evaluator(model)
        slices = instrument.update(self.evaluator)
        self.contributes = bool(self.evaluator.contributes)
        self.templates = Recent[bytes, Template | Mixture](2 * len(share.free) + 4)
        self.slopes = Recent[tuple[int, bytes], Template | Mixture](max(1, 2 * len(share.free)))
        if self.contributes:
            self.response = Response.of(self.evaluator, instrument, slices)
            self.footprint = Footprint(self.response, bins)
            self.shape = self._shape()
            room = MEMORY // max(self.footprint.per_bin.nbytes, 1)
            self.templates.size = max(2, min(self.templates.size, room))
            self.slopes.size = max(1, min(self.slopes.size, room))

    def _shape(self) -> Shape:
        from gammapy.modeling.models import PointSpatialModel

        spatial, image = self.evaluator.model.spatial_model, self.response.image
        kind: type[Shape] = GeneralShape
        if spatial is not None and not image.is_region and self.share.free:
            if type(spatial) is PointSpatialModel:
                kind = PointShape
            elif spatial.evaluation_radius is not None and _has_one_image(spatial):
                kind = ExtendedShape
        return kind(self.evaluator, self.response, self.footprint, self.share)

    @property
    def rows(self) -> Index:
        """Which of the chosen bins lie in the cutout, shape (k',)."""
        return self.footprint.rows if self.contributes else np.zeros(0, dtype=int)

    def template(self, values: Array) -> Template | Mixture:
        """Return the template for values of the spatial parameters."""
        key = values.tobytes()
        known = self.templates.get(key)
        return self.templates.keep(key, self.shape.template(values)) if known is None else known

    def slope(self, values: Array, index: int) -> Template | Mixture:
        """Return the derivative of the template by one of the spatial parameters."""
        key = index, values.tobytes()
        known = self.slopes.get(key)
        return self.slopes.keep(key, self.shape.slope(values, index)) if known is None else known

    def weighted_slope(
        self, values: Array, index: int, flux: Array, weights: Array, weight: float
    ) -> float:
        """Return the derivative of the weighted sum of counts by one of the spatial parameters."""
        if isinstance(self.shape, ExtendedShape):
            return self.shape.weighted_slope(values, index, flux, weights, weight)
        return float(self.slope(values, index).weighted(weights, weight) @ flux)


def _has_one_image(spatial: object) -> bool:
    names = {parameter.name for parameter in spatial.parameters}  # type: ignore[attr-defined]
    placed = {"lon_0", "lat_0"} <= names
    return placed and not spatial.is_energy_dependent  # type: ignore[attr-defined]
