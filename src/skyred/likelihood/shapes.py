"""Shapes of sources: images and templates as functions of the spatial parameters.

Images are convolved with the PSF. There are three classes. The image of a `PointShape` is a
weighted sum of four PSF kernels. The model of an `ExtendedShape` has the same image at all
energies; it is convolved by FFT. A `GeneralShape` is evaluated by gammapy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from skyred.likelihood import sharp_edges
from skyred.likelihood.bins import Footprint
from skyred.likelihood.contribution import RecentCache
from skyred.likelihood.parameters import ParameterSubset
from skyred.likelihood.response import Response
from skyred.likelihood.sky import ModelImage, PixelPosition
from skyred.likelihood.source_templates import Mixture, Template
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from gammapy.datasets.evaluator import MapEvaluator
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Pair = tuple[float, float]
    Weights = Iterator[tuple[tuple[int, int], float]]

SLOPE_STEP = 0.01  # of a parameter's default step, for derivatives of images
CACHED_DIFFERENCES = 2  # differences of images, per free spatial parameter
# templates of a point source are cached for as many pixels as fit into this size, since samplers
# return to the same pixels, but at least for the pixels that a fit and its errors usually need
PIXEL_CACHE_BYTES = 2**26
MIN_CACHED_PIXELS = 24


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

    pixel_sizes: Array  # in the units of the spatial parameters, shape (k,); extended sources only

    def __init__(
        self,
        evaluator: MapEvaluator,
        response: Response,
        footprint: Footprint,
        subset: ParameterSubset,
    ) -> None:
        self.evaluator, self.response, self.footprint = evaluator, response, footprint
        self.subset = subset

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

    def __init__(
        self,
        evaluator: MapEvaluator,
        response: Response,
        footprint: Footprint,
        subset: ParameterSubset,
    ) -> None:
        super().__init__(evaluator, response, footprint, subset)
        self.position = PixelPosition(evaluator.model.spatial_model, response.image_geom)
        self.pixel_templates: dict[tuple[int, int], Template] = {}
        self.max_templates = max(MIN_CACHED_PIXELS, PIXEL_CACHE_BYTES // footprint.template_size)

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
            while len(self.pixel_templates) >= self.max_templates:
                self.pixel_templates.pop(next(iter(self.pixel_templates)))
            self.pixel_templates[pixel] = template
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


class ExtendedShape(Shape):
    """Image that is the same at all energies, convolved with the PSF of each energy.

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

    def __init__(
        self,
        evaluator: MapEvaluator,
        response: Response,
        footprint: Footprint,
        subset: ParameterSubset,
    ) -> None:
        super().__init__(evaluator, response, footprint, subset)
        area = response.area()
        self.model_image = ModelImage(evaluator.model.spatial_model, response.image_geom, area)
        size = CACHED_DIFFERENCES * len(subset.free)
        self.differences: RecentCache[tuple[bytes, bytes], Array] = RecentCache(size)
        self.convolution = None
        self.last_projection: tuple[Array, tuple[bytes, float], Array] | None = None
        if response.kernel is not None:
            self.convolution = Convolution(response.kernel, response.image_geom.data_shape)
        largest_side = float(np.max(self.model_image.pixel_scales))
        self.pixel_sizes = sharp_edges.pixel_sizes(subset, largest_side)
        self.cached_has_sharp_edges: bool | None = None

    def has_sharp_edges(self, values: Array) -> bool:
        """Return whether the image has sharp edges; the first result is cached.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        bool
            Whether it has sharp edges.
        """
        if self.cached_has_sharp_edges is None:
            axes = [self.model_image.position.lon_index, self.model_image.position.lat_index]
            sizes = self.pixel_sizes[axes]
            self.cached_has_sharp_edges = sharp_edges.has_sharp_edges(
                self._unconvolved, values, axes, sizes
            )
        return self.cached_has_sharp_edges

    def _shift(self, values: Array, index: int) -> tuple[Array, Array]:
        if not self.has_sharp_edges(values):
            return super()._shift(values, index)
        fraction = sharp_edges.SLOPE_STEP * self.pixel_sizes[index] / self.subset.steps[index]
        return self.subset.shift(values, index, fraction)

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
        return self._convolve(self._unconvolved(values))

    def _unconvolved(self, values: Array) -> Array:
        self.subset.set(values)
        return self.model_image(values)

    def _convolve(self, image: Array) -> Array:
        if self.convolution is None:
            return np.broadcast_to(image, self.response.exposure.shape)
        return self.convolution(image)

    def _image_difference(self, low: Array, high: Array) -> Array:
        # half the time of two convolutions, and without the rounding errors of their difference
        return self._convolve(self._unconvolved_difference(low, high))

    def _unconvolved_difference(self, low: Array, high: Array) -> Array:
        """Return the difference of two images without the PSF; recent differences are cached."""
        key = low.tobytes(), high.tobytes()
        cached = self.differences.get(key)
        if cached is None:
            cached = self.differences.store(key, self._unconvolved(high) - self._unconvolved(low))
        return cached

    def weighted_slope(
        self, values: Array, index: int, flux: Array, weights: Array, weight_of_total: float
    ) -> float:
        """Return the derivative of a weighted sum of counts with respect to one of the parameters.

        The weights are convolved instead of the image, once for all parameters.

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
        low, high = self._shift(values, index)
        projection = self._project_to_pixels(flux, weights, weight_of_total)
        difference = np.vdot(projection, self._unconvolved_difference(low, high))
        return float(difference / (high[index] - low[index]))

    def _project_to_pixels(self, flux: Array, weights: Array, weight_of_total: float) -> Array:
        """Return the derivatives of the weighted sum with respect to the image, shape (y, x)."""
        cached = self.last_projection
        if (
            cached is None
            or cached[0] is not weights
            or cached[1] != (flux.tobytes(), weight_of_total)
        ):
            projection = flux[:, None] * self.footprint.back_projection(weights, weight_of_total)
            projection = projection.reshape(self.response.exposure.shape)
            by_pixel = projection.sum(axis=0)
            if self.convolution is not None:
                by_pixel = self.convolution.apply_transpose(projection)
            cached = self.last_projection = weights, (flux.tobytes(), weight_of_total), by_pixel
        return cached[2]


class Convolution:
    """Convolution of an image with the kernels of all energies, in float32 as in gammapy.

    Parameters
    ----------
    kernel : array
        Kernels, shape (energies, ky, kx), with odd ky and kx.
    shape : tuple of int
        Shape of the images.
    """

    def __init__(self, kernel: NDArray[np.float32], shape: tuple[int, int]) -> None:
        # wrap-around only affects pixels that are cut off, so half a kernel of margin is enough
        self.padded_shape = [
            max(fft.next_fast_len(size + (k + 1) // 2, real=True), k)
            for size, k in zip(shape, kernel.shape[1:], strict=True)
        ]
        self.kernel_spectrum = fft.rfft2(kernel, self.padded_shape)
        self.central_slices = tuple(
            slice((k - 1) // 2, (k - 1) // 2 + size)
            for size, k in zip(shape, kernel.shape[1:], strict=True)
        )

    def __call__(self, image: Array) -> Array:
        """Return the image convolved with the kernel of each energy, shape (energies, y, x)."""
        spectrum = fft.rfft2(image.astype(np.float32), self.padded_shape)
        images = fft.irfft2(spectrum * self.kernel_spectrum, self.padded_shape)
        return images[:, self.central_slices[0], self.central_slices[1]]  # type: ignore[no-any-return]

    def apply_transpose(self, images: Array) -> Array:
        """Return the sum over energies of images convolved with the mirrored kernels.

        This applies the transpose of the convolution matrix, in double precision: where the
        gradient is zero, positive and negative terms cancel.

        Parameters
        ----------
        images : array
            Images, shape (energies, y, x).

        Returns
        -------
        array
            The sum, shape (y, x).
        """
        rows, columns = self.central_slices
        padded = np.zeros((len(images), *self.padded_shape))
        padded[:, rows, columns] = images
        spectra = fft.rfft2(padded, self.padded_shape)
        spectrum = np.einsum("tyx,tyx->yx", spectra, self.kernel_spectrum.conj())
        height, width = rows.stop - rows.start, columns.stop - columns.start
        return np.asarray(fft.irfft2(spectrum, self.padded_shape)[:height, :width])
