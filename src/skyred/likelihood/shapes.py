"""Shapes of sources: images and templates as functions of the spatial parameters.

Images are convolved with the PSF. There are three classes. The image of a `PointShape` is a
weighted sum of four PSF kernels. The model of an `ExtendedShape` has the same image at all
energies; it is convolved by FFT. A `GeneralShape` is evaluated by gammapy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.bins import Footprint
from skyred.likelihood.parameter_subset import ParameterSubset
from skyred.likelihood.response import Response
from skyred.likelihood.source_templates import Mixture, Template
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from gammapy.datasets.evaluator import MapEvaluator
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SLOPE_STEP = 0.01  # of a parameter's default step, for derivatives of images


@attrs.define(eq=False, slots=False)
class Shape(ABC):
    """Shape of a source with the IRFs of one position.

    Parameters
    ----------
    evaluator : gammapy.datasets.evaluator.MapEvaluator
        Updated gammapy evaluator of the source.
    response : Response
        The IRFs at the source.
    footprint : Footprint
        The bins in its cutout.
    subset : ParameterSubset
        The spatial parameters.
    """

    evaluator: MapEvaluator
    response: Response
    footprint: Footprint
    subset: ParameterSubset

    def clear_caches(self) -> None:  # noqa: B027, most shapes have none
        """Drop all cached templates."""

    @abstractmethod
    def image(self, values: Array) -> Array:
        """Return the image, convolved with the PSF.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        array
            Fraction of the flux in each pixel, shape (true energies, y, x).
        """

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
        return Template(self.footprint, self.image(values))

    def has_sharp_edges(self, values: Array) -> bool:
        """Return whether the image has sharp edges; only extended sources can have them.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        bool
            Whether it has sharp edges.
        """
        return False

    def _shift(self, values: Array, index: int) -> tuple[Array, Array]:
        """Return the values at both ends of a finite difference."""
        return self.subset.shift(values, index, SLOPE_STEP)

    def slope(self, values: Array, index: int) -> Template | Mixture:
        """Return the derivative of the template with respect to one of the parameters.

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
        return Template(self.footprint, self.image_slope(values, index))

    def image_slope(self, values: Array, index: int) -> Array:
        """Return the derivative of the convolved image with respect to one of the parameters.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).
        index : int
            Index of the parameter among the spatial parameters.

        Returns
        -------
        array
            The derivative, shape (true energies, y, x).
        """
        low, high = self._shift(values, index)
        return np.asarray(self._image_difference(low, high) / (high[index] - low[index]))

    def _image_difference(self, low: Array, high: Array) -> Array:
        """Return the difference of two images."""
        return self.image(high) - self.image(low)


class GeneralShape(Shape):
    """Shape of any model, evaluated by gammapy, at each energy if necessary.

    Parameters
    ----------
    evaluator : gammapy.datasets.evaluator.MapEvaluator
        Updated gammapy evaluator of the source.
    response : Response
        The IRFs at the source.
    footprint : Footprint
        The bins in its cutout.
    subset : ParameterSubset
        The spatial parameters.
    """

    def image(self, values: Array) -> Array:
        """Return the image that gammapy's evaluator computes.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        array
            Fraction of the flux in each pixel, shape (true energies, y, x).
        """
        self.subset.set(values)
        evaluator = self.evaluator
        if evaluator.model.spatial_model is None:
            return np.ones(self.response.exposure.shape)
        if evaluator.psf_containment is not None:
            flux = evaluator.psf_containment
        else:
            evaluator.reset_cache_properties()
            flux = evaluator._compute_flux_spatial
        flux = getattr(flux, "quantity", flux)  # a map, a quantity or an array
        image = np.asarray(getattr(flux, "value", flux), dtype=float)
        image = image * scale_of(getattr(flux, "unit", ""))
        return np.broadcast_to(image, self.response.exposure.shape)
