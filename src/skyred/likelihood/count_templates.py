"""Templates of counts with a norm spectrum: field-of-view backgrounds and `TemplateNPredModel`."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, weighted
from skyred.likelihood.parameters import Share
from skyred.likelihood.spectra import curve_of

if TYPE_CHECKING:
    from astropy import units as u
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Places = frozenset[int]

SLOPE_STEP = 1e-5  # of a parameter's usual step: norm spectra are smooth


class ScaledCounts:
    """Predicted counts ``mu[e, p] = counts[e, p] norm[e]``.

    Parameters
    ----------
    name : str
        The name of its model.
    counts : array
        The template, shape (energies, y, x).
    spectral : gammapy.modeling.models.SpectralModel or None
        The norm spectrum, evaluated at the centres of the bins; None for a norm of 1.
    energy : Quantity
        The centres, shape (energies,).
    bins : Bins
        The bins of the dataset.
    space : ParameterSpace
        Where the parameters are found.
    plain : bool
        Whether the norm spectrum may be evaluated without units.
    """

    exact = True

    def __init__(
        self,
        name: str,
        counts: Array,
        spectral: Any,
        energy: u.Quantity,
        bins: Bins,
        space: ParameterSpace,
        plain: bool = True,
    ) -> None:
        self.name, self.template = name, counts
        self.curve = spectral and curve_of(spectral, energy.to_value("TeV"), plain)
        self.share = Share.of(spectral, space)
        self.free = self.share.free_places
        self._choose(bins)
        self.known: tuple[bytes | None, Array] = (None, np.ones(len(counts)))

    def _choose(self, bins: Bins) -> None:
        self.chosen = bins.of(self.template)
        self.row_energy = np.unravel_index(bins.chosen, self.template.shape)[0]
        self.totals = np.where(bins.mask, self.template, 0).sum(axis=(1, 2))

    def within(self, bins: Bins) -> Self:
        """Give the same in other bins of the dataset."""
        other = copy(self)
        other._choose(bins)
        return other

    @property
    def may_be_non_smooth(self) -> set[int]:
        """None."""
        return set()

    def rows(self) -> slice:
        """All of the chosen bins."""
        return slice(None)

    def norm(self, values: Vector) -> Array:
        """Give the norm in each bin of energy, shape (energies,)."""
        if self.curve is not None and values.tobytes() != self.known[0]:
            self.known = values.tobytes(), self.curve(values)
        return self.known[1]

    def counts(self, state: Vector) -> Counts:
        """Give the predicted counts."""
        return self._times(self.norm(self.share.values(state)))

    def _times(self, norm: Array) -> Counts:
        return Counts(norm[self.row_energy] * self.chosen, float(norm @ self.totals))

    def slopes(self, state: Vector, wanted: Places) -> Iterator[tuple[int, Counts]]:
        """Give the derivatives by the free parameters."""
        for place, slope in self.share.slopes(self.norm, state, SLOPE_STEP, wanted):
            yield place, self._times(slope)

    def gradient(
        self, state: Vector, weights: Array, weight: float, wanted: Places
    ) -> Iterator[tuple[int, float]]:
        """Give the weighted sums of the derivatives."""
        return weighted(self, state, weights, weight, wanted)

    def cube(self, state: Vector) -> Array:
        """Give the predicted counts in every bin."""
        return self.template * self.norm(self.share.values(state))[:, None, None]

    def may_be_negative(self, state: Vector) -> bool:
        """Tell whether any norm is negative."""
        return bool(self.norm(self.share.values(state)).min() < 0)
