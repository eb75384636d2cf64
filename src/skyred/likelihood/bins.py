"""Bins: the reconstructed bins that a statistic looks at one by one."""

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
    """Chosen bins of a dataset, and its mask.

    Of the others only the sum of the predicted counts matters, which is linear in the flux. So all
    bins are chosen that have counts, or that could have negative predicted counts, which are set to
    zero, though every flux is positive; if one is not, the statistic looks at all bins.

    Parameters
    ----------
    mask : array of bool
        The bins that are fitted, shape (energies, y, x).
    chosen : array of int
        Flat indices of the chosen ones, all inside the mask, shape (k,).
    """

    mask: NDArray[np.bool_]
    chosen: Index

    def __len__(self) -> int:
        return len(self.chosen)

    def of(self, cube: Array) -> Array:
        """Take the chosen bins out of a cube, shape (k,)."""
        return cube.ravel()[self.chosen]


@attrs.define(eq=False)
class Template:
    """Counts per flux: what a source of a given shape would give for 1 cm-2 s-1.

    Parameters
    ----------
    counts : array
        In each chosen bin of the cutout, by true energy, shape (true energies, k').
    total : array
        Summed over the mask, by true energy, shape (true energies,).
    """

    counts: Array
    total: Array
    last_counts: tuple[bytes, Counts | None] = (b"", None)
    last_sum: tuple[Array | None, float, Array | None] = (None, 0.0, None)

    def times(self, flux: Array) -> Counts:
        """Return the counts for a flux in cm-2 s-1 in each bin of true energy.

        The last are kept: mixtures for different derivatives ask for the same.
        """
        key, counts = flux.tobytes(), self.last_counts[1]
        if counts is None or self.last_counts[0] != key:
            counts = Counts(flux @ self.counts, float(flux @ self.total))
            self.last_counts = key, counts
        return counts

    def weighted(self, weights: Array, weight: float) -> Array:
        """Sum over the bins and the total with weights, shape (true energies,)."""
        known = self.last_sum
        if known[0] is not weights or known[1] != weight or known[2] is None:
            known = self.last_sum = weights, weight, self.counts @ weights + self.total * weight
        return known[2]  # type: ignore[return-value]


@attrs.define(eq=False)
class Mixture:
    """A weighted sum of templates, each of the same bins.

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
        """Give the counts for a flux: a sum over short vectors, not over the templates."""
        chosen, total = np.zeros(self.size), 0.0
        for weight, template in self.parts:
            part = template.times(flux)
            chosen += weight * part.chosen
            total += weight * part.total
        return Counts(chosen, total)

    def weighted(self, weights: Array, weight: float) -> Array:
        """Sum over the bins and the total with weights, shape (true energies,)."""
        return sum(  # type: ignore[return-value]
            share * template.weighted(weights, weight) for share, template in self.parts
        )


class Footprint:
    """The bins under a source: from its image to its template.

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
        energy, y, x = np.unravel_index(bins.chosen, self.shape)
        inside = (y >= rows.start) & (y < rows.stop) & (x >= columns.start) & (x < columns.stop)
        self.rows, self.energies = np.flatnonzero(inside), energy[inside]
        width = columns.stop - columns.start
        self.pixels = (y[inside] - rows.start) * width + x[inside] - columns.start
        migration, exposure = response.migration, _flat(response.exposure)
        mask = bins.mask[:, rows, columns].reshape(len(bins.mask), -1)
        self.per_bin = exposure[:, self.pixels] * migration[:, self.energies]
        self.per_pixel = exposure * (migration @ mask)

    def template(self, image: Array) -> Template:
        """Give the template of an image, as the PSF leaves it.

        Parameters
        ----------
        image : array
            Fraction of the flux in each pixel, shape (true energies, y, x) of the cutout.
        """
        flat = _flat(image)
        total = np.einsum("tp,tp->t", flat, self.per_pixel, dtype=float)
        return Template(np.take(flat, self.pixels, axis=1) * self.per_bin, total)

    def back_projection(self, flux: Array, weights: Array, weight: float) -> Array:
        """Return the derivatives of weighted sums of counts by the image, as the PSF leaves it.

        Parameters
        ----------
        flux : array
            In cm-2 s-1, shape (true energies,).
        weights, weight : array, float
            Of the counts in each chosen bin of the cutout, shape (k',), and of their total.

        Returns
        -------
        array
            Shape (true energies, y, x).
        """
        response = self.response
        by_bin = np.zeros((len(response.migration[0]), response.exposure[0].size))
        by_bin[self.energies, self.pixels] = weights
        by_energy = response.migration @ by_bin
        by_energy *= _flat(response.exposure)
        by_energy += weight * self.per_pixel
        return np.asarray((flux[:, None] * by_energy).reshape(response.exposure.shape))

    def cube(self, image: Array, flux: Array) -> Array:
        """Give the predicted counts in every bin of the dataset, masked or not."""
        response = self.response
        seen = np.broadcast_to(image, response.exposure.shape) * response.exposure
        cube = np.zeros(self.shape)
        found = np.tensordot(response.migration * flux[:, None], seen, axes=(0, 0))
        cube[:, response.slices[0], response.slices[1]] = found
        return cube


def _flat(cube: Array) -> Array:
    return cube.reshape(len(cube), -1)
