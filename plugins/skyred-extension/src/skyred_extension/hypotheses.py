"""The hypotheses of the test: copies of the datasets, with a point or an extended source."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred import FitError, ModelError

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

    from skyred import FitResult

    FitOutcome = tuple[FitResult | None, str]  # the result if it is valid, or the reason

POINT = "point"
TAGS = {POINT: "point", "gaussian": "gauss", "disk": "disk"}  # in gammapy
SIZES = {"gaussian": "sigma", "disk": "r_0"}  # the parameter that is the size
# the radius that contains 68 % of the flux, in units of the size, as in fermipy
R68 = {"gaussian": math.sqrt(-2 * math.log(0.32)), "disk": math.sqrt(0.68)}
EXCLUDED_RISE = 100.0  # of the statistic above that of a point source, where a fit can be coarse
COARSE_ACCURACY = 0.01  # of the rise: largest estimated distance to the minimum
COARSE_FIT = {"tolerance": 50.0, "calls": 300}  # options of `minimise`


@attrs.frozen(eq=False)
class Hypothesis:
    """Datasets with one shape of the source; copies, so that the originals never change.

    Parameters
    ----------
    datasets : Datasets
        The datasets, with their models.
    source : str
        The name of the source.
    shape : {"point", "gaussian", "disk"}
        The shape of the source.
    stat_point : float
        The statistic of the best point source; infinite if it is unknown.
    """

    datasets: Datasets
    source: str
    shape: str
    stat_point: float = math.inf

    @property
    def spatial_model(self) -> Any:
        """The spatial model of the source."""
        return self.datasets.models[self.source].spatial_model

    @property
    def size(self) -> Any:
        """The parameter that is the size of the source."""
        return getattr(self.spatial_model, SIZES[self.shape])

    @property
    def size_in_deg(self) -> float:
        """The value of the size, in deg."""
        return float(self.size.quantity.to_value("deg"))

    def copy(self) -> Hypothesis:
        """Return a copy, with copies of datasets and models; linked parameters stay linked."""
        return attrs.evolve(self, datasets=copy.deepcopy(self.datasets))

    def with_shape(self, shape: str) -> Hypothesis:
        """Return a copy in which the source has another shape at the same position.

        Parameters
        ----------
        shape : {"point", "gaussian", "disk"}
            The shape.

        Returns
        -------
        Hypothesis
            The copy. The position keeps its limits, priors and links.
        """
        from gammapy.modeling.models import SPATIAL_MODEL_REGISTRY, SkyModel

        new = self.copy()
        old_model = new.datasets.models[self.source]
        spatial_model = SPATIAL_MODEL_REGISTRY.get_cls(TAGS[shape])(
            frame=old_model.spatial_model.frame
        )
        for name in ("lon_0", "lat_0"):
            setattr(spatial_model, name, getattr(old_model.spatial_model, name))
        model = SkyModel(
            spectral_model=old_model.spectral_model,
            spatial_model=spatial_model,
            temporal_model=old_model.temporal_model,
            name=old_model.name,
            apply_irf=old_model.apply_irf,
            datasets_names=old_model.datasets_names,
        )
        models = list(new.datasets.models)
        new.datasets.models = [model if other is old_model else other for other in models]
        return attrs.evolve(new, shape=shape)

    @property
    def coordinates(self) -> tuple[Any, Any]:
        """The parameters of the position: longitude and latitude."""
        return self.spatial_model.lon_0, self.spatial_model.lat_0

    @property
    def has_free_position(self) -> bool:
        """Whether a coordinate of the position is fitted."""
        return not all(parameter.frozen for parameter in self.coordinates)

    def with_fixed_position(self) -> Hypothesis:
        """Return a copy in which the position is frozen."""
        new = self.copy()
        for parameter in new.coordinates:
            parameter.frozen = True
        return new

    def limit_position(self, radius: float) -> None:
        """Limit both coordinates of the position to a distance in deg from their values.

        Limits of the model that are narrower stay. In longitude, the distance is on the sky.
        """
        lon, lat = self.coordinates
        cosine = max(math.cos(lat.quantity.to_value("rad")), 1e-3)
        for parameter, distance in ((lon, min(radius / cosine, 180.0)), (lat, radius)):
            width = (distance * u.deg).to_value(parameter.unit)
            low, high = parameter.value - width, parameter.value + width
            parameter.min = np.fmax(parameter.min, low)
            parameter.max = np.fmin(parameter.max, high)

    def is_at_limit(self) -> bool:
        """Return whether a free coordinate of the position is at a limit."""
        return any(
            is_close(parameter.value, limit, parameter.max - parameter.min)
            for parameter in self.coordinates
            if not parameter.frozen
            for limit in (parameter.min, parameter.max)
        )

    def has_no_flux(self) -> bool:
        """Return whether the flux is negative or zero in the range of energy of the maps."""
        spectral_model = self.datasets.models[self.source].spectral_model
        axes = [dataset.counts.geom.axes["energy"] for dataset in self.datasets if is_map(dataset)]
        return any(np.sum(spectral_model(axis.center)) <= 0 for axis in axes)

    def position(self, *, is_valid: bool = True) -> dict[str, float]:
        """Return position and errors in deg, as columns of the result.

        Parameters
        ----------
        is_valid : bool
            Whether the parameters are those of a fit that converged.

        Returns
        -------
        dict
            The columns, NaN if the fit failed. Errors of frozen coordinates, and of those at a
            limit, are NaN.
        """
        columns = {}
        for name, parameter in zip(("lon", "lat"), self.coordinates, strict=True):
            has_error = not parameter.frozen and parameter.error > 0
            for suffix, value in (
                ("", parameter.value),
                ("_err", parameter.error if has_error else np.nan),
            ):
                degrees = float((value * parameter.unit).to_value("deg"))
                columns[f"{name}{suffix}"] = degrees if is_valid else np.nan
        return columns

    def fit(self, **options: Any) -> FitResult:
        """Fit all free parameters of the models, from their current values.

        The fitter is that of the pipeline's default, Newton steps. The models are set to the
        result.

        Parameters
        ----------
        **options
            Options of `skyred.minimise`.

        Returns
        -------
        FitResult
            The result, whose `success` may be false.

        Raises
        ------
        FitError
            If there is nothing to fit, or the statistic is not finite.
        """
        from skyred import minimise, objective_of

        objective = objective_of(self.datasets)
        result = minimise(objective, **options)
        objective.accept(result)
        return result

    def fit_with_size(self, size: float, *, start: float | None = None) -> FitResult:
        """Fit a copy with the size of the source fixed.

        Where the statistic is far above that of a point source, the fit is coarse.

        Parameters
        ----------
        size : float
            The size, in deg.
        start : float, optional
            Another size, in deg, from whose parameters at the minimum the fit starts.

        Returns
        -------
        FitResult
            The result.

        Raises
        ------
        FitError
            If there is nothing to fit, or the statistic is not finite.
        """
        new = self.copy()
        new.size.frozen = True
        if start is not None:
            new.size.quantity = f"{start} deg"
            new.fit()
        new.size.quantity = f"{size} deg"
        if math.isfinite(self.stat_point):
            result = new.fit(**COARSE_FIT)
            if (rise := result.stat - self.stat_point) > EXCLUDED_RISE:
                is_accurate = result.success or result.edm < COARSE_ACCURACY * rise
                return attrs.evolve(result, success=is_accurate)
        return new.fit()

    def fit_from(self, size: float, *, smallest: float, largest: float) -> FitOutcome:
        """Fit the size from a start value within limits, all in deg; set the parameters.

        If the fit fails, it starts again from the minimum at the start value.
        """
        parameter = self.size
        parameter.min = (smallest * u.deg).to_value(parameter.unit)
        parameter.max = (largest * u.deg).to_value(parameter.unit)
        parameter.quantity = f"{size} deg"
        parameter.frozen = False
        start = self.copy()
        result, message = fit_or_message(self)
        if result is not None:
            return result, ""
        start.size.frozen = True
        if fit_or_message(start)[0] is None:
            return None, message
        self.copy_values(start)
        return fit_or_message(self)

    def copy_values(self, other: Hypothesis) -> None:
        """Set all parameters to the values of another copy of this hypothesis."""
        for old, new in zip(self.datasets.parameters, other.datasets.parameters, strict=True):
            old.value = new.value


def point_hypothesis(
    datasets: Datasets, source: str, *, free_position: bool, radius: float
) -> Hypothesis:
    """Return copies of datasets in which the source is a point.

    Parameters
    ----------
    datasets : Datasets
        The datasets, with their models; they are not changed.
    source : str
        The name of the source.
    free_position : bool
        Whether the position is made free, if it is frozen.
    radius : float
        The largest distance in each coordinate from the position of the model, in deg.

    Returns
    -------
    Hypothesis
        The copies.

    Raises
    ------
    ModelError
        If the source does not exist or has no position, or if no dataset is a map.
    """
    names = [] if datasets.models is None else datasets.models.names
    if source not in names:
        raise ModelError(f"no model {source!r}; available: {', '.join(names) or 'none'}")
    spatial_model = getattr(datasets.models[source], "spatial_model", None)
    if not hasattr(spatial_model, "lon_0"):
        raise ModelError(
            f"the model {source!r} has no spatial model with a position; expected for example "
            "a point or a Gaussian"
        )
    if not any(is_map(dataset) for dataset in datasets):
        raise ModelError(
            "no dataset is a map, so there is no information on the size of a source: use maps "
            "(geometry: {kind: map}), or select them with datasets"
        )
    point = Hypothesis(datasets, source, POINT).with_shape(POINT)
    for parameter in point.coordinates:
        parameter.frozen = parameter.frozen and not free_position
    point.limit_position(radius)
    return point


def half_pixel(datasets: Datasets) -> float:
    """Return half of the smallest pixel size of all maps, in deg."""
    scales = [dataset.counts.geom.pixel_scales for dataset in datasets if is_map(dataset)]
    return float(min(scale.to_value("deg").min() for scale in scales)) / 2


def is_close(value: float, limit: float, scale: float) -> bool:
    """Return whether a value is at a limit, to a thousandth of a scale."""
    return abs(value - limit) <= 1e-3 * scale


def is_map(dataset: Any) -> bool:
    """Return whether a dataset is a map of counts, not of a region."""
    counts = getattr(dataset, "counts", None)
    return counts is not None and not counts.geom.is_region


def fit_or_message(hypothesis: Hypothesis) -> FitOutcome:
    """Fit a hypothesis; return the result if it is valid, or None, and the reason if it is not."""
    try:
        result = hypothesis.fit()
    except FitError as error:
        return None, f"the fit of the {hypothesis.shape} failed: {error}"
    if result.success:
        return result, ""
    return None, f"the fit of the {hypothesis.shape} did not converge: {result.message}"
