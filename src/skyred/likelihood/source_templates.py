"""Templates of sources: predicted counts per unit flux in the selected bins of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.bins import Footprint
from skyred.likelihood.contribution import Counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


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
        Fraction of the flux in each pixel of the cutout, convolved with the PSF, shape (true
        energies, y, x); the attribute has the shape (true energies, pixels).
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
        self.image = self.image.reshape(len(self.image), -1)
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
