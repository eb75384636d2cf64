"""gammapy's flux points estimator, with the norm in each bin fitted by the compiled likelihood.

The options, the checks of the datasets and the conversion to `FluxPoints` are gammapy's.
This module imports gammapy at its top, so it is imported only when flux points are estimated.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.modeling.models import ScaleSpectralModel

from skyred.errors import FitError, SkyredWarning
from skyred.interfaces.tasks import SERIAL_TASKS, Tasks
from skyred.likelihood.flux.columns import NO_REFERENCE, FittedNorm, FluxColumns, Row
from skyred.likelihood.flux.norm import Norm
from skyred.likelihood.flux.reference import (
    flux_sign,
    positive_spectrum,
    reference_fluxes,
    reference_spectrum,
)
from skyred.likelihood.flux.refit import Refit, refit_likelihood
from skyred.likelihood.flux.second_axis import aligned_axes
from skyred.likelihood.flux.slices import EnergySlices, Slice, can_slice
from skyred.likelihood.flux.summed_datasets import images_between
from skyred.likelihood.likelihood import Likelihood
from skyred.likelihood.priors import priors_of_other_models
from skyred.likelihood.shared_values import names_sharing_values, share_values

if TYPE_CHECKING:
    from gammapy.modeling.models import DatasetModels, SkyModel, SpectralModel


class CompiledFluxPointsEstimator(FluxPointsEstimator):  # type: ignore[misc]
    """Estimator of flux points, with the options and results of gammapy's `FluxPointsEstimator`.

    Parameters
    ----------
    check : bool
        Whether to compare every source with gammapy's own evaluation first.
    tasks : Tasks
        Runs the fits of bins, if each of them takes long.
    **options
        Options of gammapy's estimator.
    """

    tag = "CompiledFluxPointsEstimator"

    def __init__(self, check: bool = False, tasks: Tasks = SERIAL_TASKS, **options: Any) -> None:
        self.check, self.tasks, self.options = check, tasks, options
        super().__init__(**options)
        self.n_jobs = 1  # the processes that gammapy can start do not share the iterator of rows

    def run(self, datasets: Datasets) -> FluxPoints:
        """Estimate the flux points; datasets and models are left unchanged.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            Datasets with models assigned.

        Returns
        -------
        gammapy.estimators.FluxPoints
            The flux points.

        Raises
        ------
        FitError
            If the energy axes of the datasets are not sections of one axis.
            If parameters share one value without being linked, and gammapy's estimator has to be
            used, which would separate their values.
        """
        aligned_axes(datasets)
        self.prepare(datasets)
        bins = [Bin(datasets.names, *ends) for ends in pairwise(self.energy_edges)]
        self.rows = iter(self.fit_norms(datasets, bins))
        points = super().run(datasets)
        return FluxPoints(points._data, self.reference_spectrum(), points.meta, points.gti)

    def reference_spectrum(self) -> SpectralModel:
        """Return the reference spectrum of the norms, with positive fluxes.

        Returns
        -------
        gammapy.modeling.models.SpectralModel
            The spectrum.
        """
        return reference_spectrum(self.model, self.energy_edges).copy()

    def prepare(self, datasets: Datasets) -> None:
        """Compile the likelihood of datasets, for later calls of `fit_norm`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            Datasets with models assigned.

        Raises
        ------
        FitError
            If parameters share one value without being linked, and gammapy's estimator has to be
            used, which would separate their values.
        """
        likelihood = Likelihood(datasets, self.check)
        self.model: SkyModel = likelihood.space.models[self.source]
        self.sign = 1
        self.is_compiled = can_slice(likelihood) and (likelihood.exact or not self.reoptimize)
        reason = "; ".join(likelihood.notes) or "not all datasets contain counts"
        if self.norm.prior is not None:
            self.is_compiled, reason = False, "the norm has a prior"
        if not self.is_compiled:
            self._check_links(likelihood.space.models, reason)
            warnings.warn(f"flux points are estimated by gammapy: {reason}", SkyredWarning, 4)
        else:
            self.slices = EnergySlices(likelihood, self.model.name)
            self.priors = priors_of_other_models(likelihood.space, self.model)
            self.columns = FluxColumns.from_estimator(self)
            self.refit = None
            if self.reoptimize:
                self.refit = Refit.from_likelihood(likelihood, self.slices, self.model, self.norm)

    def _check_links(self, models: DatasetModels, reason: str) -> None:
        """Raise `FitError` if parameters would no longer share values in gammapy's model copies."""
        names = names_sharing_values(models) if self.reoptimize else []
        if names:
            raise FitError(
                f"parameters {', '.join(names)} share values without being linked, which gammapy's "
                f"estimator does not preserve ({reason}): link them by assigning one parameter to "
                "all their models"
            )

    def get_scale_model(self, models: Any) -> ScaleSpectralModel:
        """Return the spectrum of the source times a norm; its flux is positive at norm 1.

        Parameters
        ----------
        models : gammapy.modeling.models.Models
            Models that include the source.

        Returns
        -------
        gammapy.modeling.models.ScaleSpectralModel
            The scaled spectrum.
        """
        scaled = super().get_scale_model(models)
        if self.sign < 0:
            scaled.model = ScaleSpectralModel(scaled.model, norm=-1)
        return scaled

    def estimate_flux_point(
        self, datasets: Datasets, energy_min: u.Quantity, energy_max: u.Quantity
    ) -> Row:
        """Estimate one flux point.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The prepared datasets.
        energy_min, energy_max : Quantity
            Edges of the energy bin.

        Returns
        -------
        dict
            Values by column; columns with one value per dataset include all datasets.
        """
        row = next(self.rows)  # gammapy calls this method for each bin, in order
        if not self.is_compiled:
            return row
        slices = self.slices.between(energy_min, energy_max)
        if not slices:
            model = positive_spectrum(self.model.spectral_model, self.energy_edges)
            return dict(self._nan_result(datasets, model, energy_min, energy_max))
        row.pop("reason")
        edges = [dataset_slice.edges for dataset_slice in slices]
        reference = reference_fluxes(self.model.spectral_model, edges, self.energy_edges.unit)
        return self._expand_to_all_datasets(slices, {**reference, **row})

    def fit_norms(self, datasets: Datasets, bins: Sequence[Bin]) -> list[Row]:
        """Fit the norms in several bins.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The prepared datasets.
        bins : sequence of Bin
            The bins.

        Returns
        -------
        list of dict
            Values by column for each bin; see `fit_norm`.
        """
        tasks = self.tasks
        if self.is_compiled:
            is_quick = not self.reoptimize or self.refit is not None  # milliseconds per bin
            if is_quick or self.columns.scan_depends_on_fit:
                tasks = SERIAL_TASKS
        return tasks.map(_fit_bin, _PreparedEstimator(self, datasets), bins)

    def fit_norm(self, datasets: Datasets, energy_min: u.Quantity, energy_max: u.Quantity) -> Row:
        """Fit the norm in an energy bin.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The prepared datasets, or a subset of them.
        energy_min, energy_max : Quantity
            Edges of the energy bin.

        Returns
        -------
        dict
            Values by column; columns with one value per dataset include only the datasets that have
            bins in the range.
        """
        spectral = self.model.spectral_model
        if self.sum_over_energy_groups and self.is_compiled:
            return self._fit_summed_bin(datasets, energy_min, energy_max)
        if not self.is_compiled:
            # if the sign changes in the bin, gammapy's estimator emits a warning
            self.sign = flux_sign(spectral, energy_min, energy_max) or 1
            return dict(super().estimate_flux_point(datasets, energy_min, energy_max))
        all_slices = self.slices.between(energy_min, energy_max)
        ranges = u.Quantity([dataset_slice.edges for dataset_slice in all_slices])
        slices = self.slices.between(energy_min, energy_max, datasets.names)
        if not slices or not any(dataset_slice.n_bins for dataset_slice in slices):
            return self.columns.fit_row(slices)
        self.sign = flux_sign(spectral, ranges.min(), ranges.max())
        if not self.sign:
            return self._row_without_reference(slices, energy_min, energy_max)
        slices = self.slices.between(energy_min, energy_max, datasets.names, self.sign)
        offset = sum(
            prior
            for prior, names in self.priors
            if names is None or not names.isdisjoint(datasets.names)
        )
        fitted = self.columns.fit(slices, offset)
        if self.reoptimize:
            fitted = self._reoptimise(datasets, energy_min, energy_max, fitted.norm)
        return self.columns.with_counts(slices, self.columns.row(fitted))

    def _fit_summed_bin(
        self, datasets: Datasets, energy_min: u.Quantity, energy_max: u.Quantity
    ) -> Row:
        """Fit the norm to the counts of a bin, which are summed over energy as in gammapy."""
        all_slices = self.slices.between(energy_min, energy_max, datasets.names)
        if not all_slices or not any(dataset_slice.n_bins for dataset_slice in all_slices):
            return self.columns.fit_row(all_slices)
        ranges = u.Quantity([dataset_slice.edges for dataset_slice in all_slices])
        edges = u.Quantity([ranges.min(), ranges.max()])
        images = images_between(datasets, *edges)
        options = {**self.options, "sum_over_energy_groups": False, "energy_edges": edges}
        estimator = type(self)(self.check, **options)
        estimator.prepare(images)
        estimator.columns = attrs.evolve(estimator.columns, scans=self.columns.scans)
        return estimator.fit_norm(images, *edges)

    def _row_without_reference(self, slices: list[Slice], low: u.Quantity, high: u.Quantity) -> Row:
        message = f"{self.model.name}: no flux point from {low:.4g} to {high:.4g}: {NO_REFERENCE}"
        warnings.warn(message, SkyredWarning, stacklevel=2)
        return self.columns.with_counts(slices, self.columns.empty_row(len(slices), NO_REFERENCE))

    def _reoptimise(
        self, datasets: Datasets, low: u.Quantity, high: u.Quantity, start: Norm
    ) -> FittedNorm:
        """Fit the norm together with the free parameters of the other models.

        If these include more than norm spectra of backgrounds, the likelihood of the bin is
        compiled again.
        """
        if self.refit is None:
            return self._refit_compiled_bin(datasets, low, high, start)
        return self.refit.fit(self.slices.bin_ranges(low, high, datasets.names), start, self.sign)

    def _expand_to_all_datasets(self, slices: list[Slice], row: Row) -> Row:
        """Return a row with counts of every dataset, 0 for those without a bin in the range.

        gammapy creates one axis for the datasets of all rows, and fails if a row has fewer of
        them.
        """
        names = [split.dataset.name for split in self.slices.split_datasets]
        indices = [names.index(dataset_slice.name) for dataset_slice in slices]
        for column in ("counts", "npred", "npred_excess"):
            by_dataset = np.zeros(len(names), dtype=row[column].dtype)
            by_dataset[indices] = row[column]
            row[column] = by_dataset
        return {**row, "datasets": names}

    def _refit_compiled_bin(
        self, datasets: Datasets, energy_min: u.Quantity, energy_max: u.Quantity, start: Norm
    ) -> FittedNorm:
        """Compile the likelihood of the bin, and fit the norm and all other free parameters."""
        sliced = datasets.slice_by_energy(energy_min, energy_max)
        models = datasets.models._slice_by_energy(energy_min, energy_max)
        share_values(datasets.models, models)
        scaled, source = self.get_scale_model(models), models[self.source]
        source.parameters.freeze_all()
        source.spectral_model = scaled
        sliced.models = models
        return refit_likelihood(Likelihood(sliced, self.check), source.name, scaled.norm, start)


@attrs.frozen(eq=False)
class Bin:
    """A bin in energy, and possibly in time, in which a norm is fitted.

    Parameters
    ----------
    datasets : sequence of str
        Names of the datasets to use.
    energy_min, energy_max : Quantity
        Edges of the energy bin.
    """

    datasets: Sequence[str]
    energy_min: u.Quantity
    energy_max: u.Quantity


@attrs.frozen(eq=False)
class _PreparedEstimator:
    """An estimator and its prepared datasets; a pickled copy is prepared again."""

    estimator: CompiledFluxPointsEstimator
    datasets: Datasets

    def __reduce__(self) -> Any:
        return _prepare_estimator, (self.estimator.check, self.estimator.options, self.datasets)


def _prepare_estimator(
    check: bool, options: dict[str, Any], datasets: Datasets
) -> _PreparedEstimator:
    estimator = CompiledFluxPointsEstimator(check, **options)
    estimator.prepare(datasets)
    return _PreparedEstimator(estimator, datasets)


def _fit_bin(prepared: _PreparedEstimator, fitted_bin: Bin) -> Row:
    datasets = prepared.datasets
    if list(fitted_bin.datasets) != datasets.names:
        datasets = Datasets([datasets[name] for name in fitted_bin.datasets])
    return prepared.estimator.fit_norm(datasets, fitted_bin.energy_min, fitted_bin.energy_max)
