"""The numbers that summarise a fitted source: significance, flux and upper limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import FitError, ModelError, SkyredError

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

DETECTION = 5.0  # sigma
HINT = 3.0  # sigma
MAX_SOURCES = 10  # for which fluxes are computed
N_SIGMA_LIMIT = 1.959963984540054  # two-sided 95 % confidence


@attrs.frozen(eq=False)
class SourceSummary:
    """The significance and the flux of a source, over the whole fitted energy range.

    Parameters
    ----------
    name : str
        The name of the source.
    sqrt_ts : float
        The significance of its flux in sigma: the root of the difference of the fit statistic
        between no flux and the best flux, with the sign of the flux. The spectral shape and the
        position are those of the fit; the free parameters of other models are fitted again, or
        fixed where the energy axes of the datasets differ. NaN if it was not computed.
    flux, flux_error, flux_limit : Quantity or None
        The integral flux, its error, and its upper limit at 95 % confidence, which is None if there
        is none, or the energy axes of the datasets differ, so that there is no common energy bin.
    energies : Quantity
        The limits of the energy range, shape (2,).
    reason : str
        Why there are no numbers; "" if there are.
    """

    name: str
    sqrt_ts: float = np.nan
    flux: u.Quantity | None = None
    flux_error: u.Quantity | None = None
    flux_limit: u.Quantity | None = None
    energies: u.Quantity | None = None
    reason: str = ""

    @property
    def is_detected(self) -> bool:
        """Whether the significance is at least `DETECTION`."""
        return bool(self.sqrt_ts >= DETECTION)


def summarise_sources(datasets: Datasets, models: Models) -> Iterator[SourceSummary]:
    """Yield the summaries of the sources whose flux is fitted.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets, with the fitted models set on them; they are left unchanged.
    models : gammapy.modeling.models.Models
        The fitted models.

    Yields
    ------
    SourceSummary
        One for each source with a free amplitude, for at most `MAX_SOURCES`.
    """
    sources = [model for model in models if _has_free_amplitude(model)]
    for number, source in enumerate(sources):
        if number >= MAX_SOURCES:
            yield SourceSummary(source.name, reason="not computed: there are many sources")
            continue
        try:
            summary = _summarise(datasets, models, source)
            if not np.isfinite(summary.sqrt_ts):
                summary = SourceSummary(source.name, reason="the fit of its flux failed")
            yield summary
        except (SkyredError, ValueError, ArithmeticError) as error:
            yield SourceSummary(source.name, reason=str(error))


def _has_free_amplitude(model: Any) -> bool:
    from skyred.likelihood.source_significance import NORM_NAMES

    spectral = getattr(model, "spectral_model", None)
    if spectral is None or "background" in type(model).__name__.lower():
        return False
    return any(p.name in NORM_NAMES and not p.frozen for p in spectral.parameters)


def _summarise(datasets: Datasets, models: Models, source: Any) -> SourceSummary:
    from gammapy.datasets import Datasets

    selected = [
        dataset
        for dataset in datasets
        if dataset.models is not None and source.name in dataset.models.names
    ]
    counted = [dataset for dataset in selected if getattr(dataset, "counts", None) is not None]
    if not counted:
        raise ModelError("its datasets have no counts")
    bounds = [u.Quantity(dataset.energy_range_total).to_value("TeV") for dataset in counted]
    low, high = np.nanmin([low for low, _ in bounds]), np.nanmax([high for _, high in bounds])
    energies = u.Quantity([low, high], "TeV")
    if len(counted) == len(selected):
        try:
            return _fit_flux(Datasets(counted), source, energies)
        except FitError:  # the energy axes of the instruments differ
            pass
    return _use_model(datasets, models, source, energies)


def _fit_flux(datasets: Datasets, source: Any, energies: u.Quantity) -> SourceSummary:
    """Fit the flux in the energy range, with the other free parameters."""
    from skyred.likelihood import flux_points

    own = {id(parameter) for parameter in source.parameters}
    free = datasets.models.parameters.free_parameters
    points = flux_points(
        datasets,
        source.name,
        energies,
        selection_optional=["ul"],
        n_sigma_ul=N_SIGMA_LIMIT,
        reoptimize=any(id(parameter) not in own for parameter in free),
        allow_multiple_telescopes=True,
    )
    flux, error, limit = (
        getattr(points, name).quantity.squeeze() for name in ("flux", "flux_err", "flux_ul")
    )
    sqrt_ts = float(points.sqrt_ts.data.squeeze())
    if not np.isfinite(limit.value):
        limit = None
    fitted_range = points.energy_axis.edges[[0, -1]]
    return SourceSummary(source.name, sqrt_ts, flux, error, limit, fitted_range)


def _use_model(
    datasets: Datasets, models: Models, source: Any, energies: u.Quantity
) -> SourceSummary:
    """Return the flux of the fitted model, and its significance with all other parameters fixed."""
    from skyred.likelihood.source_significance import compute_test_statistics

    ts = compute_test_statistics(datasets, models, [source.name])[source.name]
    flux, errn, errp = source.spectral_model.integral_error(*energies)
    error = np.maximum(errn, errp)
    return SourceSummary(source.name, float(np.sqrt(ts)), flux, error, None, energies)
