"""Shapes: the image of a source after the PSF, and its template, for values of its parameters.

Three kinds, from the most special to the most general: a point, of which the image is made of four
kernels; an image of one energy, convolved by FFT; and whatever gammapy's evaluator can evaluate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from skyred.likelihood import sharp_edges
from skyred.likelihood.bins import Footprint, Mixture, Template
from skyred.likelihood.contribution import Recent
from skyred.likelihood.parameters import Share
from skyred.likelihood.response import Response
from skyred.likelihood.sky import ModelImage, PixelPosition
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from gammapy.datasets.evaluator import MapEvaluator
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Pair = tuple[float, float]
    Weights = Iterator[tuple[tuple[int, int], float]]

SLOPE_STEP = 0.01  # of a parameter's usual step, for derivatives of images
DIFFERENCES_KEPT = 2  # for each spatial parameter
CORNERS_KEPT = 24  # at least: the pixels that a fit and its errors come across
CORNERS_MEMORY = 2**26  # bytes, for more of them: samplers jump from pixel to pixel and back


class Shape(ABC):
    """The shape of a source at one response.

    Parameters
    ----------
    evaluator : gammapy.datasets.evaluator.MapEvaluator
        gammapy's evaluator of the source, updated.
    response : Response
        The response at the source.
    footprint : Footprint
        The bins under it.
    share : Share
        The spatial parameters.
    """

    pixels: Array  # the size of a pixel in the units of the spatial parameters, if extended

    def __init__(
        self, evaluator: MapEvaluator, response: Response, footprint: Footprint, share: Share
    ) -> None:
        self.evaluator, self.response, self.footprint = evaluator, response, footprint
        self.share = share

    @abstractmethod
    def image(self, values: Array) -> Array:
        """Give the fraction of the flux in each pixel, shape (true energies, y, x)."""

    def template(self, values: Array) -> Template | Mixture:
        """Give the template for values of the spatial parameters."""
        return self.footprint.template(self.image(values))

    def is_sharp(self, values: Array) -> bool:
        """Return whether the image has sharp edges; only of extended sources it is known."""
        return False

    def _sides(self, values: Array, index: int) -> tuple[Array, Array]:
        """Return the values between which a derivative is taken."""
        return self.share.sides(values, index, SLOPE_STEP)

    def slope(self, values: Array, index: int) -> Template | Mixture:
        """Give the derivative of the template by one of the parameters."""
        low, high = self._sides(values, index)
        return self.footprint.template(self._rise(low, high) / (high[index] - low[index]))

    def _rise(self, low: Array, high: Array) -> Array:
        """Give the difference of two images."""
        return self.image(high) - self.image(low)


class GeneralShape(Shape):
    """Any shape: evaluated by gammapy, energy by energy where it needs that."""

    def image(self, values: Array) -> Array:
        """Give the image as gammapy's evaluator has it."""
        self.share.set(values)
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
    """A point: its flux is spread on the four pixels around it, so that the centroid is kept."""

    def __init__(
        self, evaluator: MapEvaluator, response: Response, footprint: Footprint, share: Share
    ) -> None:
        super().__init__(evaluator, response, footprint, share)
        self.position = PixelPosition(evaluator.model.spatial_model, response.image)
        self.corners: dict[tuple[int, int], Template] = {}
        one = max(footprint.per_bin.nbytes, 1)
        self.corners_kept = max(CORNERS_KEPT, CORNERS_MEMORY // one)

    def image(self, values: Array) -> Array:
        """Give four kernels, each around one of the pixels."""
        image = np.zeros(self.response.exposure.shape)
        for pixel, weight in _weights(*self.position(values)):
            self._add_kernel(image, pixel, weight)
        return image

    def template(self, values: Array) -> Mixture:
        """Give the template, as a weighted sum of those at the four pixels."""
        return self._sum(_weights(*self.position(values)))

    def slope(self, values: Array, index: int) -> Mixture:
        """Give the derivative: inside a pixel the weights are bilinear, so it is exact."""
        slopes = self.position.slope(values, index)
        return self._sum(_weight_slopes(*self.position(values), *slopes))

    def _sum(self, weights: Weights) -> Mixture:
        parts = [(weight, self._corner(pixel)) for pixel, weight in weights if weight]
        return Mixture(parts, len(self.footprint.rows))

    def _corner(self, pixel: tuple[int, int]) -> Template:
        known = self.corners.get(pixel)
        if known is None:
            image = np.zeros(self.response.exposure.shape)
            self._add_kernel(image, pixel, 1.0)
            known = self.footprint.template(image)
            while len(self.corners) >= self.corners_kept:
                self.corners.pop(next(iter(self.corners)))
            self.corners[pixel] = known
        return known

    def _add_kernel(self, image: Array, pixel: tuple[int, int], weight: float) -> None:
        """Add the kernel around a pixel; what lies outside the cutout is lost, as in gammapy."""
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
    """Give the four pixels (row, column) around a position, and their weights."""
    left, low = int(np.floor(x)), int(np.floor(y))
    return _products(low, left, (1 - y + low, y - low), (1 - x + left, x - left))


def _weight_slopes(x: float, y: float, dx: float, dy: float) -> Weights:
    """Give the derivatives of the weights, for derivatives of the position."""
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
    """Give where a kernel centred on a pixel lies in the image, and which part of it does."""
    start = at - (size - 1) // 2
    low, high = max(start, 0), min(start + size, full)
    return slice(low, high), slice(low - start, high - start)


class ExtendedShape(Shape):
    """An image that is the same at all energies, convolved with the PSF of each."""

    def __init__(
        self, evaluator: MapEvaluator, response: Response, footprint: Footprint, share: Share
    ) -> None:
        super().__init__(evaluator, response, footprint, share)
        area = response.area()
        self.model_image = ModelImage(evaluator.model.spatial_model, response.image, area)
        kept = DIFFERENCES_KEPT * len(share.free)
        self.differences: Recent[tuple[bytes, bytes], Array] = Recent(kept)
        self.convolution = None
        self.last_weights: tuple[Array, tuple[bytes, float], Array] | None = None
        if response.kernel is not None:
            self.convolution = Convolution(response.kernel, response.image.data_shape)
        self.pixels = sharp_edges.pixels_of(share, float(np.max(self.model_image.pixel)))
        self.sharp: bool | None = None

    def is_sharp(self, values: Array) -> bool:
        """Return whether the image has sharp edges; examined once."""
        if self.sharp is None:
            axes = [self.model_image.position.lon, self.model_image.position.lat]
            pixels = self.pixels[axes]
            self.sharp = sharp_edges.changes_unevenly(self._plain, values, axes, pixels)
        return self.sharp

    def _sides(self, values: Array, index: int) -> tuple[Array, Array]:
        if not self.is_sharp(values):
            return super()._sides(values, index)
        fraction = sharp_edges.SLOPE_STEP * self.pixels[index] / self.share.steps[index]
        return self.share.sides(values, index, fraction)

    def image(self, values: Array) -> Array:
        """Give the image, convolved."""
        return self._spread(self._plain(values))

    def _plain(self, values: Array) -> Array:
        self.share.set(values)
        return self.model_image(values)

    def _spread(self, plain: Array) -> Array:
        if self.convolution is None:
            return np.broadcast_to(plain, self.response.exposure.shape)
        return self.convolution(plain)

    def _rise(self, low: Array, high: Array) -> Array:
        # one convolution of the difference: half the work, and no difference of rounded numbers
        return self._spread(self._difference(low, high))

    def _difference(self, low: Array, high: Array) -> Array:
        """Return the difference of two images before the PSF; the last are kept."""
        key = low.tobytes(), high.tobytes()
        known = self.differences.get(key)
        if known is None:
            known = self.differences.keep(key, self._plain(high) - self._plain(low))
        return known

    def weighted_slope(
        self, values: Array, index: int, flux: Array, weights: Array, weight: float
    ) -> float:
        """Return the derivative of the weighted sum of counts by one of the parameters.

        The weights are convolved instead of the image, once for all parameters.

        Parameters
        ----------
        values, index : array, int
            Of the spatial parameters, shape (k,), and which of them.
        flux : array
            In cm-2 s-1, shape (true energies,).
        weights, weight : array, float
            Of the counts in the chosen bins of the cutout, shape (k',), and of their total.

        Returns
        -------
        float
            The derivative.
        """
        low, high = self._sides(values, index)
        by_pixel = self._by_pixel(flux, weights, weight)
        rise = np.vdot(by_pixel, self._difference(low, high))
        return float(rise / (high[index] - low[index]))

    def _by_pixel(self, flux: Array, weights: Array, weight: float) -> Array:
        """Return the derivatives of the weighted sum by the pixels of the image, shape (y, x)."""
        known = self.last_weights
        if known is None or known[0] is not weights or known[1] != (flux.tobytes(), weight):
            seen = self.footprint.back_projection(flux, weights, weight)
            by_pixel = seen.sum(axis=0)
            if self.convolution is not None:
                by_pixel = self.convolution.transposed(seen)
            known = self.last_weights = weights, (flux.tobytes(), weight), by_pixel
        return known[2]


class Convolution:
    """Convolution of an image with the kernels of all energies, in float32 as in gammapy.

    Parameters
    ----------
    kernel : array
        Shape (energies, ky, kx), with odd ky and kx.
    shape : tuple of int
        Shape of the images.
    """

    def __init__(self, kernel: NDArray[np.float32], shape: tuple[int, int]) -> None:
        # what wraps around falls on pixels that are cut off, so half a kernel of margin is enough
        sizes = [
            max(fft.next_fast_len(size + (k + 1) // 2, real=True), k)
            for size, k in zip(shape, kernel.shape[1:], strict=True)
        ]
        self.padded, self.kernel = sizes, fft.rfft2(kernel, sizes)
        self.inside = tuple(
            slice((k - 1) // 2, (k - 1) // 2 + size)
            for size, k in zip(shape, kernel.shape[1:], strict=True)
        )

    def __call__(self, image: Array) -> Array:
        """Give the image as each energy sees it, shape (energies, y, x)."""
        spectrum = fft.rfft2(image.astype(np.float32), self.padded)
        found = fft.irfft2(spectrum * self.kernel, self.padded)
        return found[:, self.inside[0], self.inside[1]]  # type: ignore[no-any-return]

    def transposed(self, images: Array) -> Array:
        """Return the sum over energies of images convolved with the mirrored kernels, shape (y, x).

        It is the transposed matrix of the convolution, applied in double precision: the weights
        cancel where the gradient is zero.
        """
        padded = np.zeros((len(images), *self.padded))
        padded[:, self.inside[0], self.inside[1]] = images
        spectrum = np.einsum("tyx,tyx->yx", fft.rfft2(padded, self.padded), self.kernel.conj())
        height, width = (part.stop - part.start for part in self.inside)
        return np.asarray(fft.irfft2(spectrum, self.padded)[:height, :width])
