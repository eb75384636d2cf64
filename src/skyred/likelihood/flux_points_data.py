"""Datasets of flux points, which are compared with model fluxes by chi-square."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, weighted_slopes
from skyred.likelihood.counts_dataset import CountsDataset
from skyred.likelihood.cross_check import CrossCheck
from skyred.likelihood.input_checks import check_flux_points
from skyred.likelihood.parameter_subset import ParameterSubset
from skyred.likelihood.spectra import compile_curve
from skyred.likelihood.statistics import ChiSquare
from skyred.likelihood.timing import TimeFactor
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from gammapy.datasets import FluxPointsDataset
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Indices = frozenset[int]

SLOPE_STEP = 1e-4  # of a parameter's default step


def compile_flux_points(
    dataset: FluxPointsDataset, space: ParameterSpace, cross_check: CrossCheck
) -> CountsDataset:
    """Compile a dataset of flux points.

    Parameters
    ----------
    dataset : gammapy.datasets.FluxPointsDataset
        The flux points, with models assigned.
    space : ParameterSpace
        The parameters of all models.
    cross_check : CrossCheck
        Decides which models may be evaluated without units.

    Returns
    -------
    CountsDataset
        The compiled dataset.

    Raises
    ------
    FitError
        If a fitted flux is not finite, or its error is not positive and finite.
    """
    values, errors = _read_fluxes(dataset)
    mask = np.ones(values.shape, dtype=bool)
    if dataset.mask is not None:
        mask = np.asarray(getattr(dataset.mask, "data", dataset.mask), dtype=bool)
    bins = Bins(mask, np.flatnonzero(mask))
    check_flux_points(str(dataset.name), bins, values, errors)
    contributions = [
        DifferentialFlux(model, dataset, bins, space, cross_check.is_exempt(model))
        for model in dataset.models or ()
    ]
    statistic = ChiSquare(bins.select(values), bins.select(errors))
    return CountsDataset(str(dataset.name), contributions, bins, values, statistic)


def _read_fluxes(dataset: FluxPointsDataset) -> tuple[Array, Array]:
    """Return fluxes and errors in cm-2 s-1 TeV-1; asymmetric errors are averaged, as in gammapy."""
    points = dataset.data
    values = points.dnde.quantity
    try:
        errors = points.dnde_err.quantity
    except AttributeError:
        errors = (points.dnde_errn + points.dnde_errp).quantity / 2
    return _to_numbers(values), _to_numbers(errors)


def _to_numbers(quantity: Any) -> Array:
    return np.asarray(quantity.value * scale_of(quantity.unit), dtype=float)


class DifferentialFlux:
    """Flux of a model at the energies of flux points, used as a model contribution.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The model; its spatial model is ignored.
    dataset : gammapy.datasets.FluxPointsDataset
        The flux points.
    bins : Bins
        The points that are fitted.
    space : ParameterSpace
        The parameters of all models.
    allow_unitless : bool
        Whether the spectrum may be evaluated without units.
    """

    exact = True

    def __init__(
        self,
        model: Any,
        dataset: FluxPointsDataset,
        bins: Bins,
        space: ParameterSpace,
        allow_unitless: bool,
    ) -> None:
        self.bins, self.subset = bins, ParameterSubset.from_model(model.spectral_model, space)
        self.name = str(model.name)
        energy = dataset.data.geom.axes["energy"].center.to_value("TeV")
        self.curve = compile_curve(model.spectral_model, energy, allow_unitless)
        self.time = TimeFactor(model, dataset.gti, space)
        self.free = self.subset.free_indices | self.time.subset.free_indices

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Empty set: the flux is a smooth function of all parameters.

        Returns
        -------
        set of int
            Indices in the state.
        """
        return set()

    def bin_indices(self) -> slice:
        """Return all fitted points.

        Returns
        -------
        slice
            All indices.
        """
        return slice(None)

    def _counts(self, flux: Array) -> Counts:
        cube = np.broadcast_to(flux[:, None, None], self.bins.mask.shape)
        return Counts(self.bins.select(cube), 0.0)

    def counts(self, state: Vector) -> Counts:
        """Return the flux.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        Counts
            The flux in cm-2 s-1 TeV-1 at each point, with a total of 0.
        """
        return self._counts(self.curve(self.subset.values(state)) * self.time(state))

    def slopes(self, state: Vector, indices: Indices) -> Iterator[tuple[int, Counts]]:
        """Yield the derivatives of the flux.

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
        factor = self.time(state)
        for index, slope in self.subset.slopes(self.curve, state, SLOPE_STEP, indices):
            yield index, self._counts(slope * factor)
        for index, slope in self.time.slopes(state, indices):
            yield index, self._counts(self.curve(self.subset.values(state)) * slope)

    def gradient(
        self, state: Vector, weights: Array, weight_of_total: float, indices: Indices
    ) -> Iterator[tuple[int, float]]:
        """Return the derivatives of a weighted sum of the fluxes.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        weights : array
            Weights of the fluxes of the fitted points, shape (k,).
        weight_of_total : float
            Weight of the total, which is 0.
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        iterator of (int, float)
            Index of a parameter in the state, and the derivative with respect to it.
        """
        return weighted_slopes(self, state, weights, weight_of_total, indices)

    def cube(self, state: Vector) -> Array:
        """Return the flux in the shape of the flux points.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            The flux in cm-2 s-1 TeV-1.
        """
        flux = self.curve(self.subset.values(state)) * self.time(state)
        return np.broadcast_to(flux[:, None, None], self.bins.mask.shape)

    def may_be_negative(self, state: Vector) -> bool:
        """Return False: no flux is clipped.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            False.
        """
        return False
