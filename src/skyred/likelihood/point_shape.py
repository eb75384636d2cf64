"""Shapes of point sources: weighted sums of the PSF kernels at the four nearest pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.contribution import RecentCache
from skyred.likelihood.pixel_positions import PixelPosition
from skyred.likelihood.shapes import Shape
from skyred.likelihood.source_templates import Mixture, Template

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Pair = tuple[float, float]
    Weights = Iterator[tuple[tuple[int, int], float]]

# templates are cached for as many pixels as fit into this size, since samplers return to the same
# pixels, but at least for the pixels that a fit and its errors usually need
PIXEL_CACHE_BYTES = 2**26
MIN_CACHED_PIXELS = 24


@attrs.define(eq=False, slots=False)
class PointShape(Shape):
    """Point source: its flux is distributed over four pixels, so that the centroid is preserved.

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

    position: PixelPosition = attrs.field(init=False)
    pixel_templates: RecentCache[tuple[int, int], Template] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        model, geom = self.evaluator.model.spatial_model, self.response.image_geom
        self.position = PixelPosition(model, geom)
        size = max(MIN_CACHED_PIXELS, PIXEL_CACHE_BYTES // self.footprint.template_size)
        self.pixel_templates = RecentCache(size)

    def clear_caches(self) -> None:
        """Drop the cached templates of all pixels."""
        self.pixel_templates.clear()

    def image(self, values: Array) -> Array:
        """Return the image: the weighted sum of the kernels at the four nearest pixels.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        array
            Fraction of the flux in each pixel, shape (true energies, y, x).
        """
        image = np.zeros(self.response.exposure.shape)
        for pixel, weight in _pixel_weights(*self.position(values)):
            self._add_kernel(image, pixel, weight)
        return image

    def template(self, values: Array) -> Mixture:
        """Return the template: the weighted sum of the templates at the four nearest pixels.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        Mixture
            The predicted counts per unit flux.
        """
        return self._sum(_pixel_weights(*self.position(values)))

    def slope(self, values: Array, index: int) -> Mixture:
        """Return the derivative of the template; between pixel centres the weights are bilinear.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).
        index : int
            Index of the parameter among the spatial parameters.

        Returns
        -------
        Mixture
            The derivative.
        """
        slopes = self.position.slope(values, index)
        return self._sum(_pixel_weight_slopes(*self.position(values), *slopes))

    def _sum(self, weights: Weights) -> Mixture:
        terms = [(weight, self._template_at(pixel)) for pixel, weight in weights if weight]
        return Mixture(terms, len(self.footprint.bin_indices))

    def _template_at(self, pixel: tuple[int, int]) -> Template:
        template = self.pixel_templates.get(pixel)
        if template is None:
            image = np.zeros(self.response.exposure.shape)
            self._add_kernel(image, pixel, 1.0)
            template = Template(self.footprint, image, is_reused=True)
            self.pixel_templates.store(pixel, template)
        return template

    def _add_kernel(self, image: Array, pixel: tuple[int, int], weight: float) -> None:
        """Add the kernel centred on a pixel, truncated at the edge of the cutout, as in gammapy."""
        height, width = image.shape[1:]
        if not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
            return
        kernel = self.response.kernel
        if kernel is None:
            kernel = np.ones((len(image), 1, 1), dtype=np.float32)
        rows, kernel_rows = _overlap(pixel[0], kernel.shape[1], height)
        columns, kernel_columns = _overlap(pixel[1], kernel.shape[2], width)
        image[:, rows, columns] += weight * kernel[:, kernel_rows, kernel_columns].astype(float)


def _pixel_weights(x: float, y: float) -> Weights:
    """Yield the four pixels (row, column) around a position, and their weights."""
    column, row = int(np.floor(x)), int(np.floor(y))
    return _products(row, column, (1 - y + row, y - row), (1 - x + column, x - column))


def _pixel_weight_slopes(x: float, y: float, dx: float, dy: float) -> Weights:
    """Yield the derivatives of the weights, for derivatives dx and dy of the position."""
    column, row = int(np.floor(x)), int(np.floor(y))
    by_y = _products(row, column, (-dy, dy), (1 - x + column, x - column))
    by_x = _products(row, column, (1 - y + row, y - row), (-dx, dx))
    for (pixel, slope_by_y), (_, slope_by_x) in zip(by_y, by_x, strict=True):
        yield pixel, slope_by_y + slope_by_x


def _products(row: int, column: int, y_factors: Pair, x_factors: Pair) -> Weights:
    """Yield four adjacent pixels, the first at a row and column, and the products of factors."""
    for row_offset, y_factor in enumerate(y_factors):
        for column_offset, x_factor in enumerate(x_factors):
            yield (row + row_offset, column + column_offset), y_factor * x_factor


def _overlap(centre: int, kernel_size: int, image_size: int) -> tuple[slice, slice]:
    """Return the slices of image and kernel where they overlap, along one axis."""
    start = centre - (kernel_size - 1) // 2
    low, high = max(start, 0), min(start + kernel_size, image_size)
    return slice(low, high), slice(low - start, high - start)
