"""Selected bins of a dataset, and the bins in the cutout of a source."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.response import Response

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


@attrs.define(eq=False)
class Bins:
    """Selected bins of a dataset, and its mask.

    The statistic evaluates the selected bins one by one. For the other bins, it only needs the sum
    of the predicted counts, which is linear in the flux. The selected bins are therefore those with
    counts, and those in which the predicted counts may be negative although every flux is positive,
    since the statistic sets negative predicted counts to zero. If a flux is negative, the statistic
    evaluates all bins. With on-off data and flux points, all bins inside the mask are selected.

    Parameters
    ----------
    mask : array of bool
        Mask of the fitted bins, shape (energies, y, x).
    indices : array of int
        Flat indices of the selected bins, all inside the mask, shape (k,).
    """

    mask: NDArray[np.bool_]
    indices: Index

    def __len__(self) -> int:
        return len(self.indices)

    def select(self, cube: Array) -> Array:
        """Return the values of a cube in the selected bins.

        Parameters
        ----------
        cube : array
            Values in every bin, shape (energies, y, x).

        Returns
        -------
        array
            Values in the selected bins, shape (k,).
        """
        return cube.ravel()[self.indices]


class Footprint:
    """Bins in the cutout of a source, to compute its template from its image.

    Parameters
    ----------
    response : Response
        The IRFs at the source.
    bins : Bins
        The bins of the dataset.

    Attributes
    ----------
    bin_indices : array of int
        The selected bins in the cutout, as indices among all selected bins, shape (k',).
    energies, pixels : array of int
        Indices of their reconstructed energies, and of their pixels in the cutout, shape (k',).
    exposure : array
        Exposure in cm2 s, shape (true energies, pixels).
    counts_per_pixel : array
        Counts, summed over the mask, for unit flux in one pixel of the image, shape (true energies,
        pixels).
    """

    def __init__(self, response: Response, bins: Bins) -> None:
        self.response, self.shape = response, bins.mask.shape
        rows, columns = response.slices
        energy, y, x = np.unravel_index(bins.indices, self.shape)
        in_cutout = (y >= rows.start) & (y < rows.stop) & (x >= columns.start) & (x < columns.stop)
        self.bin_indices, self.energies = np.flatnonzero(in_cutout), energy[in_cutout]
        width = columns.stop - columns.start
        self.pixels = (y[in_cutout] - rows.start) * width + x[in_cutout] - columns.start
        self.exposure = response.exposure.reshape(len(response.exposure), -1)
        mask = bins.mask[:, rows, columns].reshape(len(bins.mask), -1)
        self.counts_per_pixel = self.exposure * (response.migration @ mask)
        self.last_projection: tuple[Array, float, Array] | None = None

    @cached_property
    def counts_per_bin(self) -> Array:
        """Counts in each selected bin, for unit flux in its pixel, shape (true energies, k')."""
        return self.exposure[:, self.pixels] * self.response.migration[:, self.energies]

    @property
    def template_size(self) -> int:
        """Size in bytes of the counts by true energy of a template."""
        return 8 * max(len(self.exposure) * len(self.pixels), 1)

    def counts(self, image: Array, flux: Array) -> Array:
        """Return the counts of an image in each selected bin.

        Parameters
        ----------
        image : array
            Fraction of the flux in each pixel of the cutout, shape (true energies, pixels).
        flux : array
            Flux in each bin of true energy in cm-2 s-1, shape (true energies,).

        Returns
        -------
        array
            Counts, shape (k',).
        """
        counts = (self.response.migration * flux[:, None]).T @ (image * self.exposure)
        return np.asarray(np.take(counts, self.energies * image.shape[1] + self.pixels))

    def counts_by_energy(self, image: Array) -> Array:
        """Return the counts of an image per unit flux, by true energy.

        Parameters
        ----------
        image : array
            Fraction of the flux in each pixel of the cutout, shape (true energies, pixels).

        Returns
        -------
        array
            Counts in each selected bin, shape (true energies, k').
        """
        counts: Array = np.take(image.astype(float, copy=False), self.pixels, axis=1)
        counts *= self.counts_per_bin
        return counts

    def back_projection(self, weights: Array, weight_of_total: float) -> Array:
        """Return the derivatives of a weighted sum of counts with respect to the image.

        The counts are those per unit flux. The last result is cached, since the derivatives with
        respect to all parameters of a source use it.

        Parameters
        ----------
        weights : array
            Weights of the counts in each selected bin of the cutout, shape (k',).
        weight_of_total : float
            Weight of the total counts.

        Returns
        -------
        array
            Derivatives, shape (true energies, pixels).
        """
        last = self.last_projection
        if last is None or last[0] is not weights or last[1] != weight_of_total:
            migration = self.response.migration
            by_bin = np.zeros((len(migration[0]), len(self.exposure[0])))
            by_bin[self.energies, self.pixels] = weights
            projection = migration @ by_bin
            projection *= self.exposure
            projection += weight_of_total * self.counts_per_pixel
            last = self.last_projection = weights, weight_of_total, projection
        return last[2]

    def cube(self, image: Array, flux: Array) -> Array:
        """Return the predicted counts in every bin of the dataset, masked or not.

        Parameters
        ----------
        image : array
            Fraction of the flux in each pixel of the cutout, shape (true energies, y, x).
        flux : array
            Flux in each bin of true energy in cm-2 s-1, shape (true energies,).

        Returns
        -------
        array
            Predicted counts, shape (energies, y, x).
        """
        response = self.response
        exposed_image = np.broadcast_to(image, response.exposure.shape) * response.exposure
        cube = np.zeros(self.shape)
        counts = np.tensordot(response.migration * flux[:, None], exposed_image, axes=(0, 0))
        cube[:, response.slices[0], response.slices[1]] = counts
        return cube
