"""Light curves and flux profiles of gammapy's datasets outside a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from skyred.errors import FitError
from skyred.likelihood.alone import find_source, gathered

if TYPE_CHECKING:
    from astropy import units as u
    from astropy.time import Time
    from gammapy.datasets import Dataset, Datasets
    from gammapy.maps import MapAxis
    from gammapy.modeling.models import SpectralModel
    from numpy.typing import NDArray
    from regions import SkyRegion

    from skyred.likelihood.flux.flux_profile import FluxProfileData
    from skyred.likelihood.flux.light_curve import LightCurveData


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
    LightCurve
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
    FluxProfile
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
