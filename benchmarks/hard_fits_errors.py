"""Errors of fits with skyred, compared with likelihood profiles.

For a profile, a parameter is fixed, the others are fitted, and the statistic of gammapy is
evaluated at the result with newly assigned models. The asymmetric errors are the distances at which
the statistic has increased by 1. They are independent of the errors that skyred computes.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import attrs
import numpy as np
from gammapy.datasets import Datasets
from gammapy.maps import WcsGeom
from gammapy.modeling import Parameter
from gammapy.modeling.models import Models, PointSpatialModel, SkyModel
from hard_fits_minima import Minima
from hard_fits_problem import SEED, Problem, free_parameters
from hard_fits_run import cpu_limit, fresh_stat

PARABOLIC = 0.05  # largest relative difference of parabolic asymmetric errors from their mean
AGREEMENT = 0.02  # largest relative difference of an error from the mean asymmetric error
ACCURACY = 0.004  # of the statistic at a crossing, which is 1/500 sigma
STEPS = 12
MAX_DECREASE = 0.01  # of the statistic below the best fit; if it is more, there is another minimum
CPU_LIMIT = 600.0  # seconds per parameter
MAX_CHECKED = 12  # largest number of parameters of a problem that are all checked
N_SAMPLED = 8  # number of parameters that are checked for larger problems


@attrs.frozen
class ErrorJob:
    """A parameter of a problem, by its index among the free parameters."""

    problem: str
    number: int


@attrs.define
class ErrorRecord:
    """The error of a parameter, and its asymmetric errors from a profile.

    Parameters
    ----------
    job : ErrorJob
        The parameter.
    name : str
        The name of the parameter.
    success : bool
        Whether the fit was successful.
    error : float
        The error from the fit.
    errp, errn : float
        Asymmetric errors from the profile, both positive; NaN if there are none.
    near_centre : bool
        Whether the position of a point source is less than 1 sigma from the centre of a pixel.
    message : str
        The message of the fit or of an exception.
    """

    job: ErrorJob
    name: str = ""
    success: bool = False
    error: float = np.nan
    errp: float = np.nan
    errn: float = np.nan
    near_centre: bool = False
    message: str = ""

    @property
    def mean(self) -> float:
        return (self.errp + self.errn) / 2

    @property
    def is_parabolic(self) -> bool:
        """Return whether both asymmetric errors exist and agree."""
        return bool(abs(self.errp - self.mean) <= PARABOLIC * self.mean)

    @property
    def difference(self) -> float:
        """Return the relative difference of the error from the mean asymmetric error."""
        return self.error / self.mean - 1

    @property
    def is_compared(self) -> bool:
        """Return whether the error must agree with the asymmetric errors."""
        return self.success and self.is_parabolic and not self.near_centre

    @property
    def is_wrong(self) -> bool:
        """Return whether the error must agree, but differs."""
        return self.is_compared and not abs(self.difference) <= AGREEMENT


class LowerMinimumError(Exception):
    """Raised if a profile is lower than the best fit."""


def error_jobs(name: str, problem: Problem) -> list[ErrorJob]:
    """Return the parameters to check, a random selection if there are many."""
    count = len(free_parameters(problem.reference()))
    numbers = np.arange(count)
    if count > MAX_CHECKED:
        generator = np.random.default_rng([SEED, zlib.crc32(name.encode())])
        numbers = np.sort(generator.choice(numbers, N_SAMPLED, replace=False))
    return [ErrorJob(name, int(number)) for number in numbers]


def best_models(problem: Problem, cache: Path) -> Models:
    """Return models at the lowest known minimum, or at the reference."""
    models, lowest = problem.reference(), Minima(cache).get(problem)
    if lowest is not None:
        for parameter, value in zip(free_parameters(models), lowest["values"], strict=True):
            parameter.value = value
    return models


def run_error_job(job: ErrorJob, problem: Problem, cache: Path) -> ErrorRecord:
    """Fit from the lowest known minimum, and profile a parameter.

    Parameters
    ----------
    job : ErrorJob
        The parameter.
    problem : Problem
        The problem of the parameter.
    cache : pathlib.Path
        Directory of the cache.

    Returns
    -------
    ErrorRecord
        The errors; an exception is recorded as a message.
    """
    import skyred

    record = ErrorRecord(job)
    datasets = problem.datasets(best_models(problem, cache), cache)
    try:
        with cpu_limit(CPU_LIMIT):
            result = skyred.fit(datasets)
            record.success, record.message = bool(result.success), result.message
            record.name, record.error = result.names[job.number], float(result.errors[job.number])
            record.near_centre = is_near_centre(datasets, job.number, record.error)
            curve = Curve(problem, cache, datasets.models, job.number, record.error)
            record.errp, record.errn = curve.crossing(1), curve.crossing(-1)
    except Exception as error:  # any exception is recorded
        record.message = f"{type(error).__name__}: {error}"
    return record


def is_near_centre(datasets: Datasets, number: int, error: float) -> bool:
    """Return whether a parameter is a coordinate of a point source near the centre of a pixel."""
    parameter = free_parameters(datasets.models)[number]
    for model in datasets.models:
        spatial_model = getattr(model, "spatial_model", None)
        if not isinstance(model, SkyModel) or not isinstance(spatial_model, PointSpatialModel):
            continue
        for axis, name in enumerate(("lon_0", "lat_0")):
            if spatial_model.parameters[name] is parameter:
                return any(
                    is_centre_within(dataset.counts.geom.to_image(), spatial_model, axis, error)
                    for dataset in datasets
                )
    return False


def is_centre_within(
    geom: WcsGeom, spatial_model: PointSpatialModel, axis: int, error: float
) -> bool:
    """Return whether the centre of a pixel is within an error (deg) along an axis of a map."""
    pixel = np.ravel(geom.coord_to_pix(spatial_model.position)[axis])[0]
    scale = geom.pixel_scales[axis].to_value("deg")
    if axis == 0:
        scale /= np.cos(spatial_model.lat_0.quantity.to_value("rad"))
    return bool(abs(pixel - round(pixel)) < error / scale)


@attrs.define
class Curve:
    """The likelihood profile of a parameter: the statistic with all other parameters fitted."""

    problem: Problem
    cache: Path
    best_models: Models
    number: int
    error: float
    best_stat: float = np.nan

    def __attrs_post_init__(self) -> None:
        self.best_models = self.best_models.copy()
        self.best_stat = fresh_stat(self.problem, self.best_models, self.cache)

    def crossing(self, sign: int) -> float:
        """Return the distance at which the statistic has increased by 1, or NaN.

        The square root of the increase is linear for a parabola. Therefore secant steps are used,
        within the bracket.
        """
        models = self.best_models.copy()
        low, high, distance = (0.0, 0.0), (np.inf, np.inf), self.error
        for _ in range(STEPS):
            if not self.is_allowed(models, sign * distance):
                return np.nan
            increase, models = self.increase(models, sign * distance)
            if increase < -MAX_DECREASE:
                raise LowerMinimumError(
                    f"{-increase:.3g} below the best fit at {sign * distance:+.4g}"
                )
            root = np.sqrt(max(increase, 0.0))
            if abs(increase - 1) < ACCURACY:
                return distance / root
            low, high = ((distance, root), high) if increase < 1 else (low, (distance, root))
            distance = self.next_distance(low, high)
        return np.nan

    def next_distance(self, low: tuple[float, float], high: tuple[float, float]) -> float:
        """Return the next distance; both ends of the bracket are (distance, root of increase)."""
        if not np.isfinite(high[0]):
            return low[0] * float(np.clip(1 / max(low[1], 0.1), 1.02, 3.0))
        slope = (high[1] - low[1]) / (high[0] - low[0])
        target = low[0] + (1 - low[1]) / slope
        margin = 0.02 * (high[0] - low[0])
        return float(np.clip(target, low[0] + margin, high[0] - margin))

    def is_allowed(self, models: Models, shift: float) -> bool:
        """Return whether the shifted value of the parameter is within its limits."""
        parameter = self.parameter(models)
        value = self.parameter(self.best_models).value + shift
        return not (value < parameter.min or value > parameter.max)

    def parameter(self, models: Models) -> Parameter:
        """Return the parameter of the profile in copied models, in which it may be frozen."""
        all_parameters = self.best_models.parameters.unique_parameters
        indices = [index for index, parameter in enumerate(all_parameters) if not parameter.frozen]
        return models.parameters.unique_parameters[indices[self.number]]

    def increase(self, models: Models, shift: float) -> tuple[float, Models]:
        """Return the increase of the statistic at a shift, and the conditionally fitted models."""
        import skyred

        datasets = self.problem.datasets(models, self.cache)
        parameter = self.parameter(datasets.models)
        parameter.value = self.parameter(self.best_models).value + shift
        parameter.frozen = True
        if len(free_parameters(datasets.models)):
            skyred.fit(datasets)
        stat = fresh_stat(self.problem, datasets.models, self.cache)
        return stat - self.best_stat, datasets.models.copy()
