"""Shapes of extended sources: images that are convolved by FFT with the PSF of each energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
from scipy import fft

from skyred.likelihood import sharp_edges
from skyred.likelihood.contribution import RecentCache
from skyred.likelihood.model_image import ModelImage
from skyred.likelihood.shapes import Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CACHED_DIFFERENCES = 2  # differences of images, per free spatial parameter


@attrs.define(eq=False, slots=False)
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

    Attributes
    ----------
    pixel_sizes : array
        Size of a pixel in the unit of each spatial parameter, shape (k,).
    """

    model_image: ModelImage = attrs.field(init=False)
    pixel_sizes: Array = attrs.field(init=False)
    convolution: Convolution | None = attrs.field(init=False, default=None)
    differences: RecentCache[tuple[bytes, bytes], Array] = attrs.field(init=False)
    last_projection: tuple[Array, tuple[bytes, float], Array] | None = attrs.field(
        init=False, default=None
    )
    cached_has_sharp_edges: bool | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        model, geom = self.evaluator.model.spatial_model, self.response.image_geom
        self.model_image = ModelImage(model, geom, self.response.area())
        largest_side = float(np.max(self.model_image.pixel_scales))
        self.pixel_sizes = sharp_edges.pixel_sizes(self.subset, largest_side)
        self.differences = RecentCache(CACHED_DIFFERENCES * len(self.subset.free))
        if self.response.kernel is not None:
            self.convolution = Convolution(self.response.kernel, geom.data_shape)

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
