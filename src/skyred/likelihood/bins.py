"""Selected bins of a dataset, and the predicted counts per flux in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.contribution import Counts
from skyred.likelihood.response import Response

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


@attrs.define(eq=False)
class Bins:
    """Selected bins of a dataset, and its mask.

    The statistic evaluates the selected bins one by one. Of the other bins only the sum of the
    predicted counts matters, which is linear in the flux. So all bins are selected that have
    counts, or that could have negative predicted counts (which are set to zero) although every
    flux is positive. If a flux is negative, the statistic evaluates all bins.

    Parameters
    ----------
    mask : array of bool
        The bins that are fitted, shape (energies, y, x).
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


@attrs.define(eq=False)
class Template:
    """Predicted counts of a source shape per unit flux of 1 cm-2 s-1.

    Parameters
    ----------
    counts : array
        Counts in each selected bin of the cutout, by true energy, shape (true energies, k').
    total : array
        Counts summed over the mask, by true energy, shape (true energies,).
    last_counts : tuple
        Cache of the last flux and its counts.
    last_sum : tuple
        Cache of the last weights and their weighted sum.
    """

    counts: Array
    total: Array
    last_counts: tuple[bytes, Counts | None] = (b"", None)
    last_sum: tuple[Array | None, float, Array | None] = (None, 0.0, None)

    def times(self, flux: Array) -> Counts:
        """Return the counts for a flux.

        The last counts are cached, since mixtures use them for several derivatives.

        Parameters
        ----------
        flux : array
            Flux in each bin of true energy in cm-2 s-1, shape (true energies,).

        Returns
        -------
        Counts
            The predicted counts.
        """
        key, counts = flux.tobytes(), self.last_counts[1]
        if counts is None or self.last_counts[0] != key:
            counts = Counts(flux @ self.counts, float(flux @ self.total))
            self.last_counts = key, counts
        return counts

    def weighted_sum(self, weights: Array, weight: float) -> Array:
        """Return the weighted sum over the bins and the total.

        Parameters
        ----------
        weights : array
            Weights of the selected bins of the cutout, shape (k',).
        weight : float
            Weight of the total.

        Returns
        -------
        array
            Sum by true energy, shape (true energies,).
        """
        cached = self.last_sum
        if cached[0] is not weights or cached[1] != weight or cached[2] is None:
            cached = self.last_sum = weights, weight, self.counts @ weights + self.total * weight
        return cached[2]  # type: ignore[return-value]


@attrs.define(eq=False)
class Mixture:
    """Weighted sum of templates of the same bins.

    Parameters
    ----------
    parts : sequence of (float, Template)
        Weights and templates.
    size : int
        Number of bins.
    """

    parts: Sequence[tuple[float, Template]]
    size: int

    def times(self, flux: Array) -> Counts:
        """Return the counts for a flux.

        The counts of the templates are summed, which is faster than summing the templates.

        Parameters
        ----------
        flux : array
            Flux in each bin of true energy in cm-2 s-1, shape (true energies,).

        Returns
        -------
        Counts
            The predicted counts.
        """
        by_bin, total = np.zeros(self.size), 0.0
        for weight, template in self.parts:
            counts = template.times(flux)
            by_bin += weight * counts.by_bin
            total += weight * counts.total
        return Counts(by_bin, total)

    def weighted_sum(self, weights: Array, weight: float) -> Array:
        """Return the weighted sum over the bins and the total.

        Parameters
        ----------
        weights : array
            Weights of the selected bins of the cutout, shape (k',).
        weight : float
            Weight of the total.

        Returns
        -------
        array
            Sum by true energy, shape (true energies,).
        """
        return sum(  # type: ignore[return-value]
            fraction * template.weighted_sum(weights, weight) for fraction, template in self.parts
        )


class Footprint:
    """Bins in the cutout of a source, to compute its template from its image.

    Parameters
    ----------
    response : Response
        The response at the source.
    bins : Bins
        The bins of the dataset.
    """

    def __init__(self, response: Response, bins: Bins) -> None:
        self.response, self.shape = response, bins.mask.shape
        rows, columns = response.slices
        energy, y, x = np.unravel_index(bins.indices, self.shape)
        in_cutout = (y >= rows.start) & (y < rows.stop) & (x >= columns.start) & (x < columns.stop)
        self.rows, self.energies = np.flatnonzero(in_cutout), energy[in_cutout]
        width = columns.stop - columns.start
        self.pixels = (y[in_cutout] - rows.start) * width + x[in_cutout] - columns.start
        migration, exposure = response.migration, _flat(response.exposure)
        mask = bins.mask[:, rows, columns].reshape(len(bins.mask), -1)
        self.per_bin = exposure[:, self.pixels] * migration[:, self.energies]
        self.per_pixel = exposure * (migration @ mask)

    def template(self, image: Array) -> Template:
        """Return the template of an image after the PSF.

        Parameters
        ----------
        image : array
            Fraction of the flux in each pixel of the cutout, shape (true energies, y, x).

        Returns
        -------
        Template
            The template.
        """
        flat = _flat(image)
        total = np.einsum("tp,tp->t", flat, self.per_pixel, dtype=float)
        return Template(np.take(flat, self.pixels, axis=1) * self.per_bin, total)

    def back_projection(self, flux: Array, weights: Array, weight: float) -> Array:
        """Return the derivatives of a weighted sum of counts by the image after the PSF.

        Parameters
        ----------
        flux : array
            Flux in each bin of true energy in cm-2 s-1, shape (true energies,).
        weights : array
            Weights of the counts in each selected bin of the cutout, shape (k',).
        weight : float
            Weight of the total counts.

        Returns
        -------
        array
            Derivatives, shape (true energies, y, x).
        """
        response = self.response
        by_bin = np.zeros((len(response.migration[0]), response.exposure[0].size))
        by_bin[self.energies, self.pixels] = weights
        by_energy = response.migration @ by_bin
        by_energy *= _flat(response.exposure)
        by_energy += weight * self.per_pixel
        return np.asarray((flux[:, None] * by_energy).reshape(response.exposure.shape))

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
        exposed = np.broadcast_to(image, response.exposure.shape) * response.exposure
        cube = np.zeros(self.shape)
        counts = np.tensordot(response.migration * flux[:, None], exposed, axes=(0, 0))
        cube[:, response.slices[0], response.slices[1]] = counts
        return cube


def _flat(cube: Array) -> Array:
    return cube.reshape(len(cube), -1)
