"""Source with the IRFs of one position, and its cached templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred.likelihood.bins import Bins, Footprint
from skyred.likelihood.contribution import RecentCache
from skyred.likelihood.extended_shape import ExtendedShape
from skyred.likelihood.parameter_subset import ParameterSubset
from skyred.likelihood.point_shape import PointShape
from skyred.likelihood.response import DatasetIrfs, Response
from skyred.likelihood.shapes import GeneralShape, Shape
from skyred.likelihood.source_templates import Mixture, Template

if TYPE_CHECKING:
    from gammapy.datasets.evaluator import MapEvaluator
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]

TEMPLATE_CACHE_BYTES = 2**25  # for the templates of one cutout, and the same for derivatives


class SourceCutout:
    """Source with the IRFs of one position: that of the model when the object is created.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The source.
    dataset_irfs : DatasetIrfs
        The IRFs of the dataset.
    bins : Bins
        The bins of the dataset.
    subset : ParameterSubset
        The spatial parameters.

    Attributes
    ----------
    evaluator : gammapy.datasets.evaluator.MapEvaluator
        Updated gammapy evaluator.
    contributes : bool
        Whether the source contributes to the map; if not, there are no `response`, `footprint`
        and `shape`.
    """

    response: Response
    footprint: Footprint
    shape: Shape

    def __init__(
        self, model: SkyModel, dataset_irfs: DatasetIrfs, bins: Bins, subset: ParameterSubset
    ) -> None:
        self.subset = subset
        self.evaluator: MapEvaluator = dataset_irfs.create_evaluator(model)
        slices = dataset_irfs.update(self.evaluator)
        self.contributes = bool(self.evaluator.contributes)
        self.templates = RecentCache[bytes, Template | Mixture](2 * len(subset.free) + 4)
        self.slopes = RecentCache[tuple[int, bytes], Template | Mixture](
            max(1, 2 * len(subset.free))
        )
        if self.contributes:
            self.response = Response.from_evaluator(self.evaluator, dataset_irfs, slices)
            self.footprint = Footprint(self.response, bins)
            self.shape = self._create_shape()
            max_templates = TEMPLATE_CACHE_BYTES // self.footprint.template_size
            self.templates.size = max(2, min(self.templates.size, max_templates))
            self.slopes.size = max(1, min(self.slopes.size, max_templates))

    def _create_shape(self) -> Shape:
        from gammapy.modeling.models import PointSpatialModel

        spatial, geom = self.evaluator.model.spatial_model, self.response.image_geom
        shape_class: type[Shape] = GeneralShape
        if spatial is not None and not geom.is_region and self.subset.free:
            if type(spatial) is PointSpatialModel:
                shape_class = PointShape
            elif spatial.evaluation_radius is not None and _has_position_and_one_image(spatial):
                shape_class = ExtendedShape
        return shape_class(self.evaluator, self.response, self.footprint, self.subset)

    @property
    def bin_indices(self) -> Index:
        """The bins in the cutout, as indices among the selected bins, shape (k',)."""
        return self.footprint.bin_indices if self.contributes else np.zeros(0, dtype=int)

    def clear_caches(self) -> None:
        """Drop all cached templates and derivatives."""
        self.templates.clear()
        self.slopes.clear()
        if self.contributes:
            self.shape.clear_caches()

    def template(self, values: Array) -> Template | Mixture:
        """Return the template.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        Template or Mixture
            The predicted counts per unit flux.
        """
        key = values.tobytes()
        cached = self.templates.get(key)
        return self.templates.store(key, self.shape.template(values)) if cached is None else cached

    def slope(self, values: Array, index: int) -> Template | Mixture:
        """Return the derivative of the template with respect to one of the spatial parameters.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).
        index : int
            Index of the parameter among the spatial parameters.

        Returns
        -------
        Template or Mixture
            The derivative.
        """
        key = index, values.tobytes()
        cached = self.slopes.get(key)
        return self.slopes.store(key, self.shape.slope(values, index)) if cached is None else cached

    def weighted_slope(
        self, values: Array, index: int, flux: Array, weights: Array, weight_of_total: float
    ) -> float:
        """Return the derivative of a weighted sum of counts with respect to a spatial parameter.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).
        index : int
            Index of the parameter among the spatial parameters.
        flux : array
            Flux in each bin of true energy in cm-2 s-1, shape (true energies,).
        weights : array
            Weights of the counts in the selected bins of the cutout, shape (k',).
        weight_of_total : float
            Weight of the total counts.

        Returns
        -------
        float
            The derivative.
        """
        if isinstance(self.shape, ExtendedShape):
            return self.shape.weighted_slope(values, index, flux, weights, weight_of_total)
        return float(self.slope(values, index).weighted_sum(weights, weight_of_total) @ flux)


def _has_position_and_one_image(spatial: object) -> bool:
    """Return whether a model has a position, and the same image at all energies."""
    names = {parameter.name for parameter in spatial.parameters}  # type: ignore[attr-defined]
    has_position = {"lon_0", "lat_0"} <= names
    return has_position and not spatial.is_energy_dependent  # type: ignore[attr-defined]
