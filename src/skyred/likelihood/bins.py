"""Selected bins of a dataset, and the predicted counts per unit flux in them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
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


@attrs.define(eq=False)
class Template:
    """Predicted counts of a source shape for a flux of 1 cm-2 s-1 in each bin of true energy.

    The counts by true energy are a large array, and during a fit, most templates are evaluated for
    one flux only. Therefore they are computed only when `counts` is called for a second flux;
    before that, counts and weighted sums are computed from the image.

    Parameters
    ----------
    footprint : Footprint
        The bins in the cutout.
    image : array
        Fraction of the flux in each pixel of the cutout, shape (true energies, pixels).
    is_reused : bool
        Whether the counts by true energy are computed at the first call of `counts`.

    Attributes
    ----------
    total : array
        Counts summed over the mask, by true energy, shape (true energies,).
    counts_by_energy : array or None
        Counts in each selected bin of the cutout, by true energy, shape (true energies, k').
    last_counts : tuple
        The last flux, as bytes, and the counts for it.
    last_sum : tuple
        The last arguments of `weighted_sum`, and its result for them.
    """

    footprint: Footprint
    image: Array
    is_reused: bool = False
    total: Array = attrs.field(init=False)
    counts_by_energy: Array | None = attrs.field(init=False, default=None)
    last_counts: tuple[bytes, Counts | None] = attrs.field(init=False, default=(b"", None))
    last_sum: tuple[Array | None, float, Array | None] = attrs.field(
        init=False, default=(None, 0.0, None)
    )

    def __attrs_post_init__(self) -> None:
        self.total = np.einsum("tp,tp->t", self.image, self.footprint.counts_per_pixel, dtype=float)

    def counts(self, flux: Array) -> Counts:
        """Return the counts for a flux.

        The last counts are cached, since `Mixture` needs them for several derivatives.

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
            if self.counts_by_energy is None and (self.is_reused or counts is not None):
                self.counts_by_energy = self.footprint.counts_by_energy(self.image)
            by_bin = (
                self.footprint.counts(self.image, flux)
                if self.counts_by_energy is None
                else flux @ self.counts_by_energy
            )
            counts = Counts(by_bin, float(flux @ self.total))
            self.last_counts = key, counts
        return counts

    def weighted_sum(self, weights: Array, weight_of_total: float) -> Array:
        """Return a weighted sum of the counts per unit flux, by true energy.

        It is the weighted sum over the selected bins, plus the weighted total.

        Parameters
        ----------
        weights : array
            Weights of the selected bins of the cutout, shape (k',).
        weight_of_total : float
            Weight of the total counts.

        Returns
        -------
        array
            Sum by true energy, shape (true energies,).
        """
        cached = self.last_sum
        if cached[0] is not weights or cached[1] != weight_of_total or cached[2] is None:
            cached = self.last_sum = (
                weights,
                weight_of_total,
                self._compute_weighted_sum(weights, weight_of_total),
            )
        return cached[2]  # type: ignore[return-value]

    def _compute_weighted_sum(self, weights: Array, weight_of_total: float) -> Array:
        if self.counts_by_energy is not None:
            return np.asarray(self.counts_by_energy @ weights + self.total * weight_of_total)
        projection = self.footprint.back_projection(weights, weight_of_total)
        return np.asarray(np.einsum("tp,tp->t", self.image, projection, dtype=float))


@attrs.define(eq=False)
class Mixture:
    """Weighted sum of templates in the same bins.

    Parameters
    ----------
    terms : sequence of (float, Template)
        Weights and templates.
    n_bins : int
        Number of selected bins in the cutout, k'.
    """

    terms: Sequence[tuple[float, Template]]
    n_bins: int

    def counts(self, flux: Array) -> Counts:
        """Return the counts for a flux.

        Summing the counts of the templates is faster than summing the templates.

        Parameters
        ----------
        flux : array
            Flux in each bin of true energy in cm-2 s-1, shape (true energies,).

        Returns
        -------
        Counts
            The predicted counts.
        """
        by_bin, total = np.zeros(self.n_bins), 0.0
        for weight, template in self.terms:
            counts = template.counts(flux)
            by_bin += weight * counts.by_bin
            total += weight * counts.total
        return Counts(by_bin, total)

    def weighted_sum(self, weights: Array, weight_of_total: float) -> Array:
        """Return a weighted sum of the counts per unit flux, by true energy.

        It is the weighted sum over the selected bins, plus the weighted total.

        Parameters
        ----------
        weights : array
            Weights of the selected bins of the cutout, shape (k',).
        weight_of_total : float
            Weight of the total counts.

        Returns
        -------
        array
            Sum by true energy, shape (true energies,).
        """
        return sum(  # type: ignore[return-value]
            weight * template.weighted_sum(weights, weight_of_total)
            for weight, template in self.terms
        )


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
        self.exposure = _flatten_pixels(response.exposure)
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

    def template(self, image: Array, *, is_reused: bool = False) -> Template:
        """Return the template of an image that is convolved with the PSF.

        Parameters
        ----------
        image : array
            Fraction of the flux in each pixel of the cutout, shape (true energies, y, x).
        is_reused : bool
            Whether the template will be used in many iterations of a fit.

        Returns
        -------
        Template
            The template.
        """
        return Template(self, _flatten_pixels(image), is_reused)

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


def _flatten_pixels(cube: Array) -> Array:
    return cube.reshape(len(cube), -1)
