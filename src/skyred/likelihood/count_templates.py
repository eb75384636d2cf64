"""Count templates with a norm spectrum: field-of-view backgrounds and `TemplateNPredModel`."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, weighted_slopes
from skyred.likelihood.parameter_subset import ParameterSubset
from skyred.likelihood.spectra import compile_curve

if TYPE_CHECKING:
    from astropy import units as u
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Indices = frozenset[int]

SLOPE_STEP = 1e-5  # of a parameter's default step: norm spectra are smooth


class ScaledCounts:
    """Predicted counts ``mu[e, p] = counts[e, p] norm[e]`` at energy e in pixel p.

    Parameters
    ----------
    name : str
        The name of the model.
    counts : array
        The template, shape (energies, y, x).
    spectral : gammapy.modeling.models.SpectralModel or None
        The norm spectrum, evaluated at the centres of the energy bins; None for a norm of 1.
    energy : Quantity
        Centres of the energy bins, shape (energies,).
    bins : Bins
        The bins of the dataset.
    space : ParameterSpace
        The parameters of all models.
    allow_unitless : bool
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
        allow_unitless: bool = True,
    ) -> None:
        self.name, self.template = name, counts
        self.curve = spectral and compile_curve(spectral, energy.to_value("TeV"), allow_unitless)
        self.subset = ParameterSubset.from_model(spectral, space)
        self.free = self.subset.free_indices
        self._select(bins)
        self.cached_norm: tuple[bytes | None, Array] = (None, np.ones(len(counts)))

    def _select(self, bins: Bins) -> None:
        self.by_bin = bins.select(self.template)
        self.energy_indices = np.unravel_index(bins.indices, self.template.shape)[0]
        self.totals = np.where(bins.mask, self.template, 0).sum(axis=(1, 2))

    def select(self, bins: Bins) -> Self:
        """Return a copy for other bins of the dataset.

        Parameters
        ----------
        bins : Bins
            The bins.

        Returns
        -------
        ScaledCounts
            The copy.
        """
        copied = copy(self)
        copied._select(bins)
        return copied

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Empty set: the counts are smooth functions of all parameters.

        Returns
        -------
        set of int
            Indices in the state.
        """
        return set()

    def bin_indices(self) -> slice:
        """Return all selected bins.

        Returns
        -------
        slice
            All selected bins.
        """
        return slice(None)

    def norm(self, values: Vector) -> Array:
        """Return the norm at each energy.

        Parameters
        ----------
        values : array
            Values of the spectral parameters, shape (k,).

        Returns
        -------
        array
            The norm, shape (energies,).
        """
        if self.curve is not None and values.tobytes() != self.cached_norm[0]:
            self.cached_norm = values.tobytes(), self.curve(values)
        return self.cached_norm[1]

    def counts(self, state: Vector) -> Counts:
        """Return the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        Counts
            The predicted counts.
        """
        return self._scaled_counts(self.norm(self.subset.values(state)))

    def _scaled_counts(self, norm: Array) -> Counts:
        return Counts(norm[self.energy_indices] * self.by_bin, float(norm @ self.totals))

    def slopes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Counts]]:
        """Yield the derivatives of the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Yields
        ------
        int
            Index of a parameter in the state.
        Counts
            The derivatives with respect to this parameter.
        """
        for index, slope in self.subset.slopes(self.norm, state, SLOPE_STEP, indices):
            yield index, self._scaled_counts(slope)

    def gradient(
        self, state: Vector, weights: Array, weight_of_total: float, indices: Indices
    ) -> Iterator[tuple[int, float]]:
        """Return the derivatives of a weighted sum of the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        weights : array
            Weights of the counts in the selected bins, shape (k,).
        weight_of_total : float
            Weight of the total counts.
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        iterator of (int, float)
            Index of a parameter in the state, and the derivative with respect to it.
        """
        return weighted_slopes(self, state, weights, weight_of_total, indices)

    def cube(self, state: Vector) -> Array:
        """Return the predicted counts in every bin.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts, shape (energies, y, x).
        """
        return self.template * self.norm(self.subset.values(state))[:, None, None]

    def slope_cubes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Array]]:
        """Yield the derivatives of the predicted counts in every bin, masked or not.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Yields
        ------
        int
            Index of a parameter in the state.
        array
            The derivatives with respect to this parameter, shape (energies, y, x).
        """
        for index, slope in self.subset.slopes(self.norm, state, SLOPE_STEP, indices):
            yield index, self.template * slope[:, None, None]

    def may_be_negative(self, state: Vector) -> bool:
        """Return whether the norm is negative at any energy.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether the norm is negative at any energy.
        """
        return bool(self.norm(self.subset.values(state)).min() < 0)
