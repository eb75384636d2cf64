"""Flux points, light curves and flux profiles of gammapy datasets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from skyred.errors import FitError
from skyred.interfaces.tasks import SERIAL_TASKS, Tasks
from skyred.likelihood.source_checks import (
    as_datasets,
    find_source,
    require_counts,
    require_one_telescope,
    require_other_free_parameters,
)

if TYPE_CHECKING:
    from astropy import units as u
    from astropy.time import Time
    from gammapy.datasets import Dataset, Datasets
    from gammapy.estimators import FluxPoints
    from gammapy.maps import MapAxis
    from gammapy.modeling.models import SpectralModel
    from regions import SkyRegion

    from skyred.likelihood.flux.flux_profile import FluxProfileData
    from skyred.likelihood.flux.light_curve import LightCurveData


def flux_points(
    datasets: Datasets | Dataset | Iterable[Dataset],
    source: str | int,
    energy_edges: u.Quantity,
    *,
    selection_optional: str | Sequence[str] | None = None,
    n_sigma: float = 1,
    n_sigma_ul: float = 2,
    n_sigma_sensitivity: float = 5,
    reoptimize: bool = False,
    norm: Any = None,
    sum_over_energy_groups: bool = False,
    allow_multiple_telescopes: bool = False,
    check: bool = False,
    tasks: Tasks = SERIAL_TASKS,
) -> FluxPoints:
    """Estimate flux points of a source, as gammapy's `FluxPointsEstimator` does.

    In each energy bin the spectrum of the source is scaled by a norm, and the norm is fitted.
    Datasets and models are left unchanged.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, Dataset or iterable of Dataset
        Datasets with (fitted) models assigned.
    source : str or int
        The name of the source, or its index in ``datasets.models``.
    energy_edges : Quantity
        Edges of the bins, shape (n + 1,); they are rounded to the nearest edges of the energy axis.
    selection_optional : "all" or list of {"errn-errp", "ul", "scan", "sensitivity"}, optional
        The optional columns to compute.
    n_sigma, n_sigma_ul, n_sigma_sensitivity : float
        Number of sigma of the errors, of the upper limits and of the sensitivity.
    reoptimize : bool
        Whether to fit the free parameters of the other models again in each bin.
    norm : gammapy.modeling.Parameter or dict, optional
        Start, limits and scan values of the norm.
    sum_over_energy_groups : bool
        Whether to sum the counts in each bin over energy before the fit.
    allow_multiple_telescopes : bool
        Whether datasets of different telescopes may be combined.
    check : bool
        Whether to compare every source with gammapy's own evaluation first.
    tasks : Tasks
        Runs the fits of bins, if each of them takes long; by default one after the other.

    Returns
    -------
    gammapy.estimators.FluxPoints
        The flux points, in the format of gammapy's estimator.

    Raises
    ------
    FitError
        If the source does not exist or a dataset does not contain counts.
        If the energy axes of the datasets are not sections of one axis, or `energy_edges` are not
        finite energies, or two of them are rounded to the same edge.
        If the datasets are from several telescopes and `allow_multiple_telescopes` is false.
        If no parameter is free to reoptimize.
        If parameters share one value without being linked, and gammapy's estimator has to be used,
        which would separate their values.
    """
    from astropy import units as u

    from skyred.likelihood.flux.flux_points import CompiledFluxPointsEstimator
    from skyred.likelihood.flux.second_axis import aligned_axes, rounded_energy_axis

    all_datasets, edges = as_datasets(datasets), u.Quantity(energy_edges)
    require_counts(all_datasets)
    rounded_energy_axis(aligned_axes(all_datasets), edges)
    if not allow_multiple_telescopes:
        require_one_telescope(all_datasets)
    model = find_source(all_datasets, source)
    if reoptimize:
        require_other_free_parameters(all_datasets, model)
    estimator = CompiledFluxPointsEstimator(
        check=check,
        tasks=tasks,
        source=str(model.name),
        energy_edges=edges,
        selection_optional=selection_optional,
        n_sigma=n_sigma,
        n_sigma_ul=n_sigma_ul,
        n_sigma_sensitivity=n_sigma_sensitivity,
        reoptimize=reoptimize,
        norm=norm,
        sum_over_energy_groups=sum_over_energy_groups,
        allow_multiple_telescopes=allow_multiple_telescopes,
    )
    return estimator.run(all_datasets)


def light_curve(
    datasets: Datasets | Dataset | Iterable[Dataset],
    source: str | int,
    intervals: str | u.Quantity | Sequence[tuple[Time, Time]] = "run",
    energy_edges: u.Quantity | None = None,
    *,
    start: Time | None = None,
    selection_optional: str | Sequence[str] | None = None,
    n_sigma: float = 1,
    n_sigma_ul: float = 2,
    n_sigma_sensitivity: float = 5,
    reoptimize: bool = False,
    norm: Any = None,
    sum_over_energy_groups: bool = False,
    stack_over_time_interval: bool = False,
    atol: u.Quantity | str = "1e-6 s",
    check: bool = False,
    tasks: Tasks = SERIAL_TASKS,
) -> LightCurveData:
    """Estimate the light curve of a source, as gammapy's `LightCurveEstimator` does.

    In each time interval and energy bin the spectrum of the source is scaled by a norm. The norm
    is fitted to the datasets whose good time intervals lie fully in the interval. Datasets and
    models are left unchanged.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, Dataset or iterable of Dataset
        Datasets with (fitted) models assigned.
    source : str or int
        The name of the source, or its index in ``datasets.models``.
    intervals : {"run", "night"}, Quantity or list of pairs of Time
        One interval per dataset or per night, the width of intervals of equal width, or the start
        and stop of each interval.
    energy_edges : Quantity, optional
        Edges of the bins, shape (n + 1,); by default one bin for the whole energy axis.
    start : Time, optional
        Start of one of the intervals of equal width; by default the start of the first dataset.
    selection_optional : "all" or list of str, optional
        The optional columns to compute, as in `skyred.flux_points`.
    n_sigma, n_sigma_ul, n_sigma_sensitivity : float
        Number of sigma of the errors, of the upper limits and of the sensitivity.
    reoptimize : bool
        Whether to fit the free parameters of the other models again in each bin.
    norm : gammapy.modeling.Parameter or dict, optional
        Start, limits and scan values of the norm.
    sum_over_energy_groups : bool
        Whether to sum the counts in each bin over energy before the fit.
    stack_over_time_interval : bool
        Whether to stack the datasets in each interval before the fit.
    atol : Quantity or str
        Time by which datasets may extend beyond an interval that they belong to.
    check : bool
        Whether to compare every source with gammapy's own evaluation first.
    tasks : Tasks
        Runs the fits of bins, if each of them takes long; by default one after the other.

    Returns
    -------
    LightCurveData
        Flux points in gammapy's format with a time axis, and for each interval its datasets and the
        reason for missing norms. In intervals without datasets, which gammapy omits, norms are NaN.

    Raises
    ------
    FitError
        If the source does not exist, a dataset has no counts or no good time intervals, the
        intervals are not valid, or the energy axes of the datasets are not sections of one axis.
        If both `stack_over_time_interval` and `reoptimize` are set.
    ModelError
        If no dataset lies fully in any interval.
    """
    from astropy import units as u

    from skyred.likelihood.flux.flux_points import CompiledFluxPointsEstimator
    from skyred.likelihood.flux.intervals import select_intervals
    from skyred.likelihood.flux.light_curve import CompiledLightCurveEstimator
    from skyred.likelihood.flux.second_axis import energy_edges_or_range

    all_datasets = as_datasets(datasets)
    model = find_source(all_datasets, source)
    if stack_over_time_interval and reoptimize:
        raise FitError("stack_over_time_interval cannot be combined with reoptimize")
    points_estimator = CompiledFluxPointsEstimator(
        check=check,
        tasks=tasks,
        source=str(model.name),
        energy_edges=energy_edges_or_range(all_datasets, energy_edges),
        selection_optional=selection_optional,
        n_sigma=n_sigma,
        n_sigma_ul=n_sigma_ul,
        n_sigma_sensitivity=n_sigma_sensitivity,
        reoptimize=reoptimize,
        norm=norm,
        sum_over_energy_groups=sum_over_energy_groups,
    )
    estimator = CompiledLightCurveEstimator(
        points_estimator, stack_over_time_interval, u.Quantity(atol).to_value("s")
    )
    return estimator.run(all_datasets, select_intervals(all_datasets, intervals, start))


def flux_profile(
    datasets: Datasets | Dataset | Iterable[Dataset],
    regions: Sequence[SkyRegion],
    spectral_model: SpectralModel | None = None,
    energy_edges: u.Quantity | None = None,
    *,
    background_sources: Sequence[str] | None = None,
    distance: MapAxis | None = None,
    selection_optional: str | Sequence[str] | None = None,
    n_sigma: float = 1,
    n_sigma_ul: float = 2,
    n_sigma_sensitivity: float = 5,
    norm: Any = None,
) -> FluxProfileData:
    """Estimate the flux in each of several regions, as gammapy's `FluxProfileEstimator` does.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, Dataset or iterable of Dataset
        Map datasets. The background is predicted by the models; for on-off data, it is estimated
        from the off counts.
    regions : sequence of SkyRegion
        The regions; at least two, unless `distance` is set.
    spectral_model : SpectralModel, optional
        The spectrum that the norm scales; by default a power law of index 2.
    energy_edges : Quantity, optional
        Edges of the bins, shape (n + 1,); by default one bin for the whole energy axis.
    background_sources : sequence of str, optional
        Names of the sources that belong to the background; by default all sources of the datasets,
        as in gammapy, so that the profile is that of the residual flux.
    distance : MapAxis, optional
        Distances of the regions. By default, as in gammapy, they are the mean radii of annuli, and
        for other regions the distances of their centres from that of the first region.
    selection_optional : "all" or list of str, optional
        The optional columns to compute, as in `skyred.flux_points`.
    n_sigma, n_sigma_ul, n_sigma_sensitivity : float
        Number of sigma of the errors, of the upper limits and of the sensitivity.
    norm : gammapy.modeling.Parameter or dict, optional
        Start, limits and scan values of the norm.

    Returns
    -------
    FluxProfileData
        Flux points in gammapy's format along the projected distance, and for each region the reason
        for missing norms. The fluxes are NaN for regions that extend beyond the map or are only
        partly inside the mask; gammapy raises an error.

    Raises
    ------
    FitError
        If a dataset is not a map or has no exposure, or the distances of the regions do not
        increase.
        If the energy axes of the datasets are not sections of one axis, or `energy_edges` are not
        finite energies, or two of them are rounded to the same edge.
    """
    from gammapy.estimators import FluxPointsEstimator
    from gammapy.modeling.models import PowerLawSpectralModel

    from skyred.likelihood.flux.flux_profile import RegionFluxProfileEstimator, projected_distances
    from skyred.likelihood.flux.regions import predict_background
    from skyred.likelihood.flux.second_axis import energy_edges_or_range

    all_datasets = as_datasets(datasets)
    points_estimator = FluxPointsEstimator(
        energy_edges=energy_edges_or_range(all_datasets, energy_edges),
        selection_optional=selection_optional,
        n_sigma=n_sigma,
        n_sigma_ul=n_sigma_ul,
        n_sigma_sensitivity=n_sigma_sensitivity,
        norm=norm,
    )
    backgrounds = [predict_background(dataset, background_sources) for dataset in all_datasets]
    if distance is None:
        distance = projected_distances(regions)
    estimator = RegionFluxProfileEstimator(
        points_estimator, spectral_model or PowerLawSpectralModel()
    )
    return estimator.run(all_datasets, backgrounds, regions, distance)
