"""gammapy's flux points estimator, with the norm of each bin found on flat arrays.

What surrounds the norm is gammapy's: its options, its checks of the datasets, the reference model
and the `FluxPoints` that it makes of the rows. (gammapy is imported with this module, which is
itself only imported when flux points are asked for.)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.maps import MapAxis
from gammapy.modeling.models import ScaleSpectralModel

from skyred.errors import FitError, SkyredWarning
from skyred.likelihood.flux.columns import NO_REFERENCE, FittedNorm, FluxColumns, Row
from skyred.likelihood.flux.norm import Norm
from skyred.likelihood.flux.profile import Held, Refitted
from skyred.likelihood.flux.reference import flux_sign, positive_spectrum, reference_spectrum
from skyred.likelihood.flux.refit import Refit, fitted_norm, started_at
from skyred.likelihood.flux.slices import EnergySlices, Slice, can_slice
from skyred.likelihood.flux.stack_axis import aligned_axes
from skyred.likelihood.likelihood import Likelihood
from skyred.likelihood.minimise import minimise
from skyred.likelihood.objective import objective_from
from skyred.likelihood.parameters import (
    ParameterSpace,
    names_sharing_values,
    share_values,
    value_key,
)

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import DatasetModels, SkyModel, SpectralModel


class FlatFluxPointsEstimator(FluxPointsEstimator):  # type: ignore[misc]
    """Flux points of a source; takes the options of gammapy's `FluxPointsEstimator`.

    Parameters
    ----------
    check : bool
        Whether every source is compared with gammapy's own evaluation first.
    **options
        Those of gammapy's estimator.
    """

    tag = "FlatFluxPointsEstimator"

    def __init__(self, check: bool = False, **options: Any) -> None:
        self.check = check
        super().__init__(**options)

    def run(self, datasets: Datasets) -> FluxPoints:
        """Estimate the flux points; leaves datasets and models as they were.

        Raises
        ------
        FitError
            If the energy axes of the datasets are no parts of one axis, or gammapy's estimator,
            where it has to be used, would lose that free parameters share values.
        """
        aligned_axes(datasets)
        self.prepare(datasets)
        points = super().run(datasets)
        return FluxPoints(points._data, self.reference_spectrum(), points.meta, points.gti)

    def reference_spectrum(self) -> SpectralModel:
        """Return the spectrum that the norms refer to, its fluxes positive."""
        return reference_spectrum(self.model, self.energy_edges).copy()

    def prepare(self, datasets: Datasets) -> None:
        """Lay the datasets out flat; `point` then takes all or some of them."""
        likelihood = Likelihood(datasets, self.check)
        self.model: SkyModel = likelihood.space.models[self.source]
        self.sign = 1
        self.flat = can_slice(likelihood) and (likelihood.exact or not self.reoptimize)
        why = "; ".join(likelihood.notes) or "its datasets are not of counts"
        if self.norm.prior is not None:
            self.flat, why = False, "their norm has a prior"
        if not self.flat:
            self._require_links(likelihood.space.models, why)
            warnings.warn(f"flux points are estimated by gammapy: {why}", SkyredWarning, 4)
        else:
            self.slices = EnergySlices(likelihood, self.model.name)
            self.priors = _priors_of_the_rest(likelihood.space, self.model)
            self.columns = FluxColumns.of(self)
            free = self.reoptimize and Refit.of(likelihood, self.slices, self.model, self.norm)
            self.refit = free or None

    def _require_links(self, models: DatasetModels, why: str) -> None:
        """Raise `FitError` if gammapy's copies of models would lose what parameters share."""
        names = names_sharing_values(models) if self.reoptimize else []
        if names:
            raise FitError(
                f"parameters {', '.join(names)} share values without being linked, which gammapy's "
                f"estimator loses ({why}): link them by assigning one parameter to all their models"
            )

    def get_scale_model(self, models: Any) -> ScaleSpectralModel:
        """Return the spectrum of the source times a norm, positive in the bin at norm 1."""
        scaled = super().get_scale_model(models)
        if self.sign < 0:
            scaled.model = ScaleSpectralModel(scaled.model, norm=-1)
        return scaled

    def estimate_flux_point(
        self, datasets: Datasets, energy_min: u.Quantity, energy_max: u.Quantity
    ) -> Row:
        """Estimate one flux point."""
        if not self.flat:
            return self.point(datasets, energy_min, energy_max)
        slices = self.slices.between(energy_min, energy_max)
        if not slices:
            model = positive_spectrum(self.model.spectral_model, self.energy_edges)
            return dict(self._nan_result(datasets, model, energy_min, energy_max))
        row = self.point(datasets, energy_min, energy_max)
        row.pop("reason")
        return self._of_all(slices, {**self.reference([each.edges for each in slices]), **row})

    def point(self, datasets: Datasets, energy_min: u.Quantity, energy_max: u.Quantity) -> Row:
        """Fit the norm in a bin of energy, in datasets that are among the prepared ones."""
        spectral = self.model.spectral_model
        if not self.flat:
            # where the sign changes gammapy warns of it
            self.sign = flux_sign(spectral, energy_min, energy_max) or 1
            return dict(super().estimate_flux_point(datasets, energy_min, energy_max))
        ranges = u.Quantity([each.edges for each in self.slices.between(energy_min, energy_max)])
        slices = self.slices.between(energy_min, energy_max, datasets.names)
        if not slices or not any(each.bins for each in slices):
            return self.columns.held_row(slices)
        self.sign = flux_sign(spectral, ranges.min(), ranges.max())
        if not self.sign:
            return self._no_reference(slices, energy_min, energy_max)
        slices = self.slices.between(energy_min, energy_max, datasets.names, self.sign)
        offset = sum(prior for prior, applies in self.priors if applies(datasets.names))
        fitted = self.columns.fit(slices, offset)
        if self.reoptimize:
            fitted = self._reoptimized(datasets, energy_min, energy_max, fitted.norm)
        return self.columns.counted(slices, self.columns.row(fitted))

    def _no_reference(self, slices: list[Slice], low: u.Quantity, high: u.Quantity) -> Row:
        text = f"{self.model.name}: no flux point from {low:.4g} to {high:.4g}: {NO_REFERENCE}"
        warnings.warn(text, SkyredWarning, stacklevel=2)
        return self.columns.counted(slices, self.columns.nothing(len(slices), NO_REFERENCE))

    def _reoptimized(
        self, datasets: Datasets, low: u.Quantity, high: u.Quantity, start: Norm
    ) -> FittedNorm:
        """Fit the norm together with the free parameters of the rest."""
        if self.refit is None:
            return self._refit(datasets, low, high, start)
        return self.refit.fit(self.slices.ranges_of(low, high, datasets.names), start, self.sign)

    def _of_all(self, slices: list[Slice], row: Row) -> Row:
        """Give counts a place for every dataset, 0 of those that have no bin in the range.

        gammapy makes one axis of the datasets of all rows, and stumbles if some lack one.
        """
        names = [seen.dataset.name for seen in self.slices.seen]
        places = [names.index(each.name) for each in slices]
        for column in ("counts", "npred", "npred_excess"):
            spread = np.zeros(len(names), dtype=row[column].dtype)
            spread[places] = row[column]
            row[column] = spread
        return {**row, "datasets": names}

    def reference(self, ranges: Sequence[u.Quantity]) -> Row:
        """Return the reference fluxes between the lowest and highest energy of some ranges."""
        edges = u.Quantity([u.Quantity(ranges).min(), u.Quantity(ranges).max()])
        # in the unit that was asked for: OGIP files are in keV
        axis = MapAxis.from_energy_edges(edges.to(self.energy_edges.unit))
        with np.errstate(invalid="ignore", divide="ignore"):
            spectral = positive_spectrum(self.model.spectral_model, axis.edges)
            fluxes = spectral.reference_fluxes(energy_axis=axis)
        return {name: value.item() for name, value in fluxes.items()}

    def _refit(
        self, datasets: Datasets, energy_min: u.Quantity, energy_max: u.Quantity, start: Norm
    ) -> FittedNorm:
        """Fit the norm together with the free parameters of the rest, whatever they are."""
        sliced = datasets.slice_by_energy(energy_min, energy_max)
        models = datasets.models._slice_by_energy(energy_min, energy_max)
        share_values(datasets.models, models)
        scaled, source = self.get_scale_model(models), models[self.source]
        source.parameters.freeze_all()
        source.spectral_model = scaled
        sliced.models = models
        likelihood = Likelihood(sliced, self.check)
        index = [id(each) for each in likelihood.space.free_parameters].index(id(scaled.norm))
        objective = started_at(objective_from(likelihood), index, start)
        found = minimise(objective)
        likelihood.space.set(found.values)
        norm = fitted_norm(found, index, start.scale)
        profile = Refitted(attrs.evolve(objective, start=found.values), index)
        scaled.norm.value = 1.0
        slices = EnergySlices(likelihood, source.name).all()
        return FittedNorm(norm, profile, slices, Held([each.term for each in slices]))


def _priors_of_the_rest(
    space: ParameterSpace, model: SkyModel
) -> Sequence[tuple[float, Callable[[Sequence[str]], bool]]]:
    """Give the priors that gammapy counts: all but those of the source's own spectrum.

    Each with what tells whether it counts for datasets of some names.
    """
    own = {value_key(parameter) for parameter in model.spectral_model.parameters}
    found = []
    for each in space.models:
        rest = [p for p in each.parameters if value_key(p) not in own and p.prior]
        if rest:
            total = float(sum(parameter.prior_stat_sum() for parameter in rest))
            found.append((total, partial(_is_of, each)))
    return found


def _is_of(model: SkyModel, names: Sequence[str]) -> bool:
    return model.datasets_names is None or bool(set(model.datasets_names) & set(names))
