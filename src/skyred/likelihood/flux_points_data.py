"""Flux points as data: a chi square of the differential flux at their energies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, weighted
from skyred.likelihood.cross_check import Trust
from skyred.likelihood.datasets import CountsDataset
from skyred.likelihood.input_checks import check_flux_points
from skyred.likelihood.parameters import Share
from skyred.likelihood.spectra import curve_of
from skyred.likelihood.statistics import ChiSquare
from skyred.likelihood.timing import TimeFactor
from skyred.likelihood.units import scale_of

if TYPE_CHECKING:
    from gammapy.datasets import FluxPointsDataset
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]
    Places = frozenset[int]

SLOPE_STEP = 1e-4  # of a parameter's usual step


def flat_points(dataset: FluxPointsDataset, space: ParameterSpace, trust: Trust) -> CountsDataset:
    """Lay out a dataset of flux points."""
    values, errors = _measured(dataset)
    mask = np.ones(values.shape, dtype=bool)
    if dataset.mask is not None:
        mask = np.asarray(getattr(dataset.mask, "data", dataset.mask), dtype=bool)
    bins = Bins(mask, np.flatnonzero(mask))
    check_flux_points(str(dataset.name), bins, values, errors)
    parts = [
        DifferentialFlux(model, dataset, bins, space, trust.knows(model))
        for model in dataset.models or ()
    ]
    statistic = ChiSquare(bins.of(values), bins.of(errors))
    return CountsDataset(str(dataset.name), parts, bins, values, statistic)


def _measured(dataset: FluxPointsDataset) -> tuple[Array, Array]:
    """Give fluxes and errors in cm-2 s-1 TeV-1; the mean of asymmetric ones, as gammapy does."""
    points = dataset.data
    values = points.dnde.quantity
    try:
        errors = points.dnde_err.quantity
    except AttributeError:
        errors = (points.dnde_errn + points.dnde_errp).quantity / 2
    return _plain(values), _plain(errors)


def _plain(quantity: Any) -> Array:
    return np.asarray(quantity.value * scale_of(quantity.unit), dtype=float)


class DifferentialFlux:
    """The flux of a model at the energies of flux points; a part as those of counts are.

    Parameters
    ----------
    model : gammapy.modeling.models.SkyModel
        The model, of which the spectrum counts.
    dataset : gammapy.datasets.FluxPointsDataset
        The flux points.
    bins : Bins
        The points that are fitted.
    space : ParameterSpace
        Where the parameters are found.
    plain : bool
        Whether the spectrum may be evaluated without units.
    """

    exact = True

    def __init__(
        self,
        model: Any,
        dataset: FluxPointsDataset,
        bins: Bins,
        space: ParameterSpace,
        plain: bool,
    ) -> None:
        self.bins, self.share = bins, Share.of(model.spectral_model, space)
        self.name = str(model.name)
        energy = dataset.data.geom.axes["energy"].center.to_value("TeV")
        self.curve = curve_of(model.spectral_model, energy, plain)
        self.time = TimeFactor(model, dataset.gti, space)
        self.free = self.share.free_places | self.time.share.free_places

    @property
    def may_be_non_smooth(self) -> set[int]:
        """None."""
        return set()

    def rows(self) -> slice:
        """All of the points."""
        return slice(None)

    def _counts(self, flux: Array) -> Counts:
        cube = np.broadcast_to(flux[:, None, None], self.bins.mask.shape)
        return Counts(self.bins.of(cube), 0.0)

    def counts(self, state: Vector) -> Counts:
        """Give the flux."""
        return self._counts(self.curve(self.share.values(state)) * self.time(state))

    def slopes(self, state: Vector, wanted: Places) -> Iterator[tuple[int, Counts]]:
        """Give the derivatives by the free parameters."""
        factor = self.time(state)
        for place, slope in self.share.slopes(self.curve, state, SLOPE_STEP, wanted):
            yield place, self._counts(slope * factor)
        for place, slope in self.time.slopes(state, wanted):
            yield place, self._counts(self.curve(self.share.values(state)) * slope)

    def gradient(
        self, state: Vector, weights: Array, weight: float, wanted: Places
    ) -> Iterator[tuple[int, float]]:
        """Give the weighted sums of the derivatives."""
        return weighted(self, state, weights, weight, wanted)

    def cube(self, state: Vector) -> Array:
        """Give the flux in the shape of the flux points."""
        flux = self.curve(self.share.values(state)) * self.time(state)
        return np.broadcast_to(flux[:, None, None], self.bins.mask.shape)

    def may_be_negative(self, state: Vector) -> bool:
        """Never in a way that matters: nothing is clipped."""
        return False
