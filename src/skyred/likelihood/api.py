"""The functions for gammapy's datasets: fit, flux points, light curve and flux profile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from skyred.errors import FitError
from skyred.likelihood.minimise import minimise
from skyred.likelihood.objective import objective_of, restored_on_error
from skyred.likelihood.source_checks import (
    find_source,
    require_counts,
    require_free_background,
    require_one_telescope,
)

if TYPE_CHECKING:
    from astropy import units as u
    from astropy.time import Time
    from gammapy.datasets import Dataset, Datasets
    from gammapy.estimators import FluxPoints
    from gammapy.maps import MapAxis
    from gammapy.modeling.models import SpectralModel
    from numpy.typing import NDArray
    from regions import SkyRegion

    from skyred.interfaces import Fitter
    from skyred.interfaces.records import FitResult
    from skyred.likelihood.flux.flux_profile import FluxProfileData
    from skyred.likelihood.flux.light_curve import LightCurveData


def fit(
    datasets: Datasets | Dataset | Iterable[Dataset],
    fitter: Fitter | None = None,
    *,
    minos: bool = False,
    check: bool = False,
) -> FitResult:
    """Fit the models of gammapy datasets, as ``gammapy.modeling.Fit().run(datasets)`` does.

    Afterwards the models hold the best values, their errors and covariance; errors that are NaN in
    the result are 0 there. Unlike those of `Fit.run`, which MIGRAD builds up on its way, the errors
    are of the second derivatives at the minimum.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, or one or more of its datasets
        With models assigned.
    fitter : Fitter, optional
        What minimises or samples; by default Newton steps, MIGRAD if they fail, and HESSE.
    minos : bool
        Whether to find asymmetric errors by MINOS; a fitter has its own option for it.
    check : bool
        Whether every source is compared with gammapy's own evaluation first; else those with
        classes that are not gammapy's own.

    Returns
    -------
    FitResult
        With the parameters in the order of
        ``datasets.models.parameters.unique_parameters.free_parameters``; of parameters that share
        one value, as those of gammapy's `NestedModelSelection`, only the first. Its `success`
        says whether it is a minimum, its `notes` what gammapy evaluated itself.

    Raises
    ------
    FitError
        If there is nothing to fit, the statistic is not finite at the start, or MINOS is asked of a
        fitter.
    """
    if fitter and minos:
        raise FitError(
            f"minos is of no use with a fitter: give it to {fitter.kind!r}, if it has it"
        )
    chosen = gathered(datasets)
    objective = objective_of(chosen, check)
    with restored_on_error(chosen):
        result = fitter.fit(objective) if fitter else minimise(objective, minos=minos)
    objective.accept(result)
    return result


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
    allow_multiple_telescopes: bool = False,
    check: bool = False,
) -> FluxPoints:
    """Estimate flux points of a source, as gammapy's `FluxPointsEstimator` does.

    In each bin of energy the spectrum of the source is scaled by a norm, and the norm is fitted.
    Datasets and models are left as they were.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, or one or more of its datasets
        With (fitted) models assigned.
    source : str or int
        The name of the source, or its index in ``datasets.models``.
    energy_edges : Quantity
        Edges of the bins, shape (n + 1,); they fall on the nearest edges of the energy axis.
    selection_optional : "all" or list of {"errn-errp", "ul", "scan", "sensitivity"}, optional
        Which optional columns to fill.
    n_sigma, n_sigma_ul, n_sigma_sensitivity : float
        Width of the errors, confidence of the upper limits and significance of the sensitivity.
    reoptimize : bool
        Whether the free parameters of the rest are fitted again in each bin.
    norm : gammapy.modeling.Parameter or dict, optional
        Start, limits and scan values of the norm.
    allow_multiple_telescopes : bool
        Whether datasets of different telescopes may be taken together.
    check : bool
        Whether every source is compared with gammapy's own evaluation first.

    Returns
    -------
    gammapy.estimators.FluxPoints
        As gammapy's estimator gives it.

    Raises
    ------
    FitError
        If there is no such source model, a dataset is not of counts, the energy axes are no
        parts of one axis, `energy_edges` are no finite energies or two of them fall on one edge,
        there are several telescopes without `allow_multiple_telescopes`, nothing is free to
        reoptimize, or gammapy's estimator, where it has to be used, would lose that free
        parameters share values.
    """
    from astropy import units as u

    from skyred.likelihood.flux.flux_points import FlatFluxPointsEstimator
    from skyred.likelihood.flux.stack_axis import aligned_axes, covered_axis

    chosen, edges = gathered(datasets), u.Quantity(energy_edges)
    require_counts(chosen)
    covered_axis(aligned_axes(chosen), edges)
    if not allow_multiple_telescopes:
        require_one_telescope(chosen)
    model = find_source(chosen, source)
    if reoptimize:
        require_free_background(chosen, model)
    estimator = FlatFluxPointsEstimator(
        check=check,
        source=str(model.name),
        energy_edges=edges,
        selection_optional=selection_optional,
        n_sigma=n_sigma,
        n_sigma_ul=n_sigma_ul,
        n_sigma_sensitivity=n_sigma_sensitivity,
        reoptimize=reoptimize,
        norm=norm,
        allow_multiple_telescopes=allow_multiple_telescopes,
    )
    return estimator.run(chosen)


def light_curve(
    datasets: Datasets | Dataset | Iterable[Dataset],
    source: str | int,
    intervals: str | u.Quantity | Sequence[tuple[Time, Time]] = "run",
    energy_edges: u.Quantity | None = None,
    *,
    selection_optional: str | Sequence[str] | None = None,
    n_sigma: float = 1,
    n_sigma_ul: float = 2,
    n_sigma_sensitivity: float = 5,
    reoptimize: bool = False,
    norm: Any = None,
    check: bool = False,
) -> LightCurveData:
    """Estimate the light curve of a source, as gammapy's `LightCurveEstimator` does.

    In each interval of time and bin of energy the spectrum of the source is scaled by a norm, and
    the norm is fitted to the datasets whose good time intervals lie in the interval fully. Datasets
    and models are left as they were.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, or one or more of its datasets
        With (fitted) models assigned.
    source : str or int
        The name of the source, or its index in ``datasets.models``.
    intervals : {"run", "night"}, Quantity or list of pairs of Time
        One interval a dataset or a night, intervals of equal width from the first start on, or
        start and stop of each.
    energy_edges : Quantity, optional
        Edges of the bins, shape (n + 1,); by default one bin of the whole energy axis.
    selection_optional, n_sigma, n_sigma_ul, n_sigma_sensitivity, reoptimize, norm, check
        As `skyred.flux_points` takes them.

    Returns
    -------
    LightCurveData
        gammapy's flux points with a time axis, and for each interval the datasets in it and why
        there is no norm. gammapy leaves intervals without datasets out; here they are NaN.

    Raises
    ------
    FitError
        If there is no such source, intervals overlap, or no dataset lies in one of them.
    """
    from skyred.likelihood.flux.flux_points import FlatFluxPointsEstimator
    from skyred.likelihood.flux.light_curve import FlatLightCurveEstimator

    chosen = gathered(datasets)
    model = find_source(chosen, source)
    points = FlatFluxPointsEstimator(
        check=check,
        source=str(model.name),
        energy_edges=_edges(chosen, energy_edges),
        selection_optional=selection_optional,
        n_sigma=n_sigma,
        n_sigma_ul=n_sigma_ul,
        n_sigma_sensitivity=n_sigma_sensitivity,
        reoptimize=reoptimize,
        norm=norm,
    )
    return FlatLightCurveEstimator(points).run(chosen, _intervals(chosen, intervals))


def _intervals(datasets: Datasets, intervals: Any) -> NDArray[Any]:
    from skyred.likelihood.flux.intervals import Spans, given

    spans = Spans.of(datasets)
    if isinstance(intervals, str):
        if intervals not in ("run", "night"):
            raise FitError(f"there are no intervals by {intervals!r}; expected 'run' or 'night'")
        return spans.runs() if intervals == "run" else spans.nights()
    if hasattr(intervals, "to_value") and hasattr(intervals, "unit"):
        is_time = intervals.isscalar and intervals.unit.is_equivalent("s")
        if not (is_time and 0 < intervals.value < float("inf")):
            raise FitError(f"the width of the intervals is {intervals}; expected a positive time")
        return spans.steps(float(intervals.to_value("s")))
    if not len(intervals):
        raise FitError("there are no intervals; expected start and stop of at least one")
    return given(intervals)


def _edges(datasets: Datasets, edges: Any) -> u.Quantity:
    """Return edges of bins as one quantity, for None those of the whole energy axis."""
    from astropy import units as u

    from skyred.likelihood.flux.stack_axis import aligned_axes, whole_range

    return whole_range(aligned_axes(datasets)) if edges is None else u.Quantity(edges)


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
    """Estimate the flux in each of some regions, as gammapy's `FluxProfileEstimator` does.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, or one or more of its datasets
        Maps, with or without a known background.
    regions : sequence of SkyRegion
        The regions, at least two.
    spectral_model : SpectralModel, optional
        The spectrum that is scaled; by default a power law of index 2.
    energy_edges : Quantity, optional
        Edges of the bins, shape (n + 1,); by default one bin of the whole energy axis.
    background_sources : sequence of str, optional
        Which sources belong to the background; by default all that the datasets have, as in
        gammapy, so that the profile is what they leave.
    distance : MapAxis, optional
        Where the regions are; by default gammapy's: mean radii of annuli, else distances from the
        centre of the first.
    selection_optional, n_sigma, n_sigma_ul, n_sigma_sensitivity, norm
        As `skyred.flux_points` takes them.

    Returns
    -------
    FluxProfileData
        gammapy's flux points along the projected distance, and why there are none in a region: one
        that leaves the map or is cut by the mask, which gammapy refuses, is NaN.

    Raises
    ------
    FitError
        If a dataset is no map or has no exposure, or the regions lie in no order.
    """
    from gammapy.estimators import FluxPointsEstimator, FluxProfileEstimator
    from gammapy.modeling.models import PowerLawSpectralModel

    from skyred.likelihood.flux.flux_profile import FlatFluxProfileEstimator
    from skyred.likelihood.flux.regions import rest_of

    chosen = gathered(datasets)
    points = FluxPointsEstimator(
        energy_edges=_edges(chosen, energy_edges),
        selection_optional=selection_optional,
        n_sigma=n_sigma,
        n_sigma_ul=n_sigma_ul,
        n_sigma_sensitivity=n_sigma_sensitivity,
        norm=norm,
    )
    rest = [rest_of(dataset, background_sources) for dataset in chosen]
    if distance is None:
        try:
            distance = FluxProfileEstimator(regions).projected_distance_axis
        except ValueError as error:
            raise FitError(
                f"the {len(regions)} regions are no profile: distances from the first ({error}) "
                "do not rise; give two or more in order, or their distances (distance=...)"
            ) from None
    estimator = FlatFluxProfileEstimator(points, spectral_model or PowerLawSpectralModel())
    return estimator.run(chosen, rest, regions, distance)


def gathered(datasets: Any) -> Datasets:
    """Make `Datasets` of one dataset or several; gammapy's own keep their covariance."""
    from gammapy.datasets import Dataset, Datasets

    if isinstance(datasets, Datasets):
        return datasets
    return Datasets(datasets if isinstance(datasets, Dataset) else list(datasets))
