"""Shapes: images of a source after the PSF, and its templates, for given spatial parameters.

There are three kinds: a point, with an image that is the sum of four kernels; an image that is the
same at all energies, convolved by FFT; and any other model, evaluated by gammapy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from skyred.likelihood import sharp_edges
from skyred.likelihood.bins import Footprint, Mixture, Template
from skyred.likelihood.contribution import RecentCache
from skyred.likelihood.parameters import ParameterSubset
from skyred.likelihood.response import Response
from skyred.likelihood.sky import ModelImage, PixelPosition
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from gammapy.datasets.evaluator import MapEvaluator
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Pair = tuple[float, float]
    Weights = Iterator[tuple[tuple[int, int], float]]

SLOPE_STEP = 0.01  # of a parameter's default step, for derivatives of images
CACHED_DIFFERENCES = 2  # for each spatial parameter
MIN_CACHED_CORNERS = 24  # the pixels that a fit and its errors reach
CORNER_CACHE_BYTES = 2**26  # for more of them: samplers move from pixel to pixel and back


class Shape(ABC):
    """Shape of a source with the IRFs of one position.

    Parameters
    ----------
    evaluator : gammapy.datasets.evaluator.MapEvaluator
        Evaluator of gammapy's for the source, updated.
    response : Response
        The IRFs at the source.
    footprint : Footprint
        The bins in its cutout.
    subset : ParameterSubset
        The spatial parameters.
    """

    pixels: Array  # the size of a pixel in the units of the spatial parameters, if extended

    def __init__(
        self,
        evaluator: MapEvaluator,
        response: Response,
        footprint: Footprint,
        subset: ParameterSubset,
    ) -> None:
        self.evaluator, self.response, self.footprint = evaluator, response, footprint
        self.subset = subset

    @abstractmethod
    def image(self, values: Array) -> Array:
        """Return the image after the PSF.

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
            The predicted counts per flux.
        """
        return self.footprint.template(self.image(values))

    def is_sharp(self, values: Array) -> bool:
        """Return whether the image has sharp edges; only implemented for extended sources.

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

    def _shifted(self, values: Array, index: int) -> tuple[Array, Array]:
        """Return the values at both ends of a finite difference."""
        return self.subset.shifted(values, index, SLOPE_STEP)

    def slope(self, values: Array, index: int) -> Template | Mixture:
        """Return the derivative of the template by one of the parameters.

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
        return self.footprint.template(self.image_slope(values, index))

    def image_slope(self, values: Array, index: int) -> Array:
        """Return the derivative of the image after the PSF by one of the parameters.

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
        low, high = self._shifted(values, index)
        return np.asarray(self._image_difference(low, high) / (high[index] - low[index]))

    def _image_difference(self, low: Array, high: Array) -> Array:
        """Return the difference of two images."""
        return self.image(high) - self.image(low)


class GeneralShape(Shape):
    """Shape of any model, evaluated by gammapy, at each energy if necessary.

    Parameters
    ----------
    evaluator : gammapy.datasets.evaluator.MapEvaluator
        Evaluator of gammapy's for the source, updated.
    response : Response
        The IRFs at the source.
    footprint : Footprint
        The bins in its cutout.
    subset : ParameterSubset
        The spatial parameters.
    """

    def image(self, values: Array) -> Array:
        """Return the image of gammapy's evaluator.

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
        flux = getattr(flux, "quantity", flux)  # of a map
        plain = np.asarray(getattr(flux, "value", flux), dtype=float)
        plain = plain * scale_of(getattr(flux, "unit", ""))
        return np.broadcast_to(plain, self.response.exposure.shape)


class PointShape(Shape):
    """Point source: its flux is distributed over four pixels, so that the centroid is preserved.

    Parameters
    ----------
    evaluator : gammapy.datasets.evaluator.MapEvaluator
        Evaluator of gammapy's for the source, updated.
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
        self.position = PixelPosition(evaluator.model.spatial_model, response.image)
        self.corners: dict[tuple[int, int], Template] = {}
        self.max_corners = max(MIN_CACHED_CORNERS, CORNER_CACHE_BYTES // footprint.template_size)

    def image(self, values: Array) -> Array:
        """Return the image: four kernels, each around one of the pixels.

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
        for pixel, weight in _weights(*self.position(values)):
            self._add_kernel(image, pixel, weight)
        return image

    def template(self, values: Array) -> Mixture:
        """Return the template: a weighted sum of those at the four pixels.

        Parameters
        ----------
        values : array
            Values of the spatial parameters, shape (k,).

        Returns
        -------
        Mixture
            The predicted counts per flux.
        """
        return self._sum(_weights(*self.position(values)))

    def slope(self, values: Array, index: int) -> Mixture:
        """Return the exact derivative of the template: inside a pixel the weights are bilinear.

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
        return self._sum(_weight_slopes(*self.position(values), *slopes))

    def _sum(self, weights: Weights) -> Mixture:
        parts = [(weight, self._corner(pixel)) for pixel, weight in weights if weight]
        return Mixture(parts, len(self.footprint.rows))

    def _corner(self, pixel: tuple[int, int]) -> Template:
        cached = self.corners.get(pixel)
        if cached is None:
            image = np.zeros(self.response.exposure.shape)
            self._add_kernel(image, pixel, 1.0)
            cached = self.footprint.template(image, is_reused=True)
            while len(self.corners) >= self.max_corners:
                self.corners.pop(next(iter(self.corners)))
            self.corners[pixel] = cached
        return cached

    def _add_kernel(self, image: Array, pixel: tuple[int, int], weight: float) -> None:
        """Add the kernel around a pixel; counts outside the cutout are dropped, as in gammapy."""
        height, width = image.shape[1:]
        if not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
            return
        kernel = self.response.kernel
        if kernel is None:
            kernel = np.ones((len(image), 1, 1), dtype=np.float32)
        onto, part = zip(
            *(_overlap(at, size, full) for at, size, full in zip(
                pixel, kernel.shape[1:], (height, width), strict=True)),
            strict=True,
        )  # fmt: skip
        image[:, onto[0], onto[1]] += weight * kernel[:, part[0], part[1]].astype(float)


def _weights(x: float, y: float) -> Weights:
    """Yield the four pixels (row, column) around a position, and their weights."""
    left, low = int(np.floor(x)), int(np.floor(y))
    return _products(low, left, (1 - y + low, y - low), (1 - x + left, x - left))


def _weight_slopes(x: float, y: float, dx: float, dy: float) -> Weights:
    """Yield the derivatives of the weights, for derivatives of the position."""
    left, low = int(np.floor(x)), int(np.floor(y))
    along_y = _products(low, left, (-dy, dy), (1 - x + left, x - left))
    along_x = _products(low, left, (1 - y + low, y - low), (-dx, dx))
    for (pixel, first), (_, second) in zip(along_y, along_x, strict=True):
        yield pixel, first + second


def _products(low: int, left: int, rows: Pair, columns: Pair) -> Weights:
    for row, along_y in enumerate(rows):
        for column, along_x in enumerate(columns):
            yield (low + row, left + column), along_y * along_x


def _overlap(at: int, size: int, full: int) -> tuple[slice, slice]:
    """Return the slices of image and kernel where they overlap, along one axis."""
    start = at - (size - 1) // 2
    low, high = max(start, 0), min(start + size, full)
    return slice(low, high), slice(low - start, high - start)


class ExtendedShape(Shape):
    """Image that is the same at all energies, convolved with the PSF of each energy.

    Parameters
    ----------
    evaluator : gammapy.datasets.evaluator.MapEvaluator
        Evaluator of gammapy's for the source, updated.
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
        self.model_image = ModelImage(evaluator.model.spatial_model, response.image, area)
        size = CACHED_DIFFERENCES * len(subset.free)
        self.differences: RecentCache[tuple[bytes, bytes], Array] = RecentCache(size)
        self.convolution = None
        self.last_weights: tuple[Array, tuple[bytes, float], Array] | None = None
        if response.kernel is not None:
            self.convolution = Convolution(response.kernel, response.image.data_shape)
        self.pixels = sharp_edges.pixel_sizes(subset, float(np.max(self.model_image.pixel)))
        self.sharp: bool | None = None

    def is_sharp(self, values: Array) -> bool:
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
        if self.sharp is None:
            axes = [self.model_image.position.lon, self.model_image.position.lat]
            pixels = self.pixels[axes]
            self.sharp = sharp_edges.has_sharp_edges(self._unconvolved, values, axes, pixels)
        return self.sharp

    def _shifted(self, values: Array, index: int) -> tuple[Array, Array]:
        if not self.is_sharp(values):
            return super()._shifted(values, index)
        fraction = sharp_edges.SLOPE_STEP * self.pixels[index] / self.subset.steps[index]
        return self.subset.shifted(values, index, fraction)

    def image(self, values: Array) -> Array:
        """Return the image after the PSF.

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

    def _convolve(self, plain: Array) -> Array:
        if self.convolution is None:
            return np.broadcast_to(plain, self.response.exposure.shape)
        return self.convolution(plain)

    def _image_difference(self, low: Array, high: Array) -> Array:
        # convolving the difference takes half the time, and avoids cancellation of rounded numbers
        return self._convolve(self._unconvolved_difference(low, high))

    def _unconvolved_difference(self, low: Array, high: Array) -> Array:
        """Return the difference of two images before the PSF; the last ones are cached."""
        key = low.tobytes(), high.tobytes()
        cached = self.differences.get(key)
        if cached is None:
            cached = self.differences.store(key, self._unconvolved(high) - self._unconvolved(low))
        return cached

    def weighted_slope(
        self, values: Array, index: int, flux: Array, weights: Array, weight: float
    ) -> float:
        """Return the derivative of a weighted sum of counts by one of the parameters.

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
        weight : float
            Weight of the total.

        Returns
        -------
        float
            The derivative.
        """
        low, high = self._shifted(values, index)
        by_pixel = self._project_to_pixels(flux, weights, weight)
        rise = np.vdot(by_pixel, self._unconvolved_difference(low, high))
        return float(rise / (high[index] - low[index]))

    def _project_to_pixels(self, flux: Array, weights: Array, weight: float) -> Array:
        """Return the derivatives of the weighted sum by the pixels of the image, shape (y, x)."""
        cached = self.last_weights
        if cached is None or cached[0] is not weights or cached[1] != (flux.tobytes(), weight):
            projection = flux[:, None] * self.footprint.back_projection(weights, weight)
            projection = projection.reshape(self.response.exposure.shape)
            by_pixel = projection.sum(axis=0)
            if self.convolution is not None:
                by_pixel = self.convolution.transposed(projection)
            cached = self.last_weights = weights, (flux.tobytes(), weight), by_pixel
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
        sizes = [
            max(fft.next_fast_len(size + (k + 1) // 2, real=True), k)
            for size, k in zip(shape, kernel.shape[1:], strict=True)
        ]
        self.padded, self.kernel = sizes, fft.rfft2(kernel, sizes)
        self.central = tuple(
            slice((k - 1) // 2, (k - 1) // 2 + size)
            for size, k in zip(shape, kernel.shape[1:], strict=True)
        )

    def __call__(self, image: Array) -> Array:
        """Return the image convolved with the kernel of each energy, shape (energies, y, x)."""
        spectrum = fft.rfft2(image.astype(np.float32), self.padded)
        images = fft.irfft2(spectrum * self.kernel, self.padded)
        return images[:, self.central[0], self.central[1]]  # type: ignore[no-any-return]

    def transposed(self, images: Array) -> Array:
        """Return the sum over energies of images convolved with the mirrored kernels.

        It is the transposed matrix of the convolution, applied in double precision: the weights
        cancel where the gradient is zero.

        Parameters
        ----------
        images : array
            Images, shape (energies, y, x).

        Returns
        -------
        array
            The sum, shape (y, x).
        """
        padded = np.zeros((len(images), *self.padded))
        padded[:, self.central[0], self.central[1]] = images
        spectrum = np.einsum("tyx,tyx->yx", fft.rfft2(padded, self.padded), self.kernel.conj())
        height, width = (part.stop - part.start for part in self.central)
        return np.asarray(fft.irfft2(spectrum, self.padded)[:height, :width])
