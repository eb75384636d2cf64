"""Errors of skyred's fits compared with profiles of the likelihood.

A profile fixes a parameter, fits the others, and evaluates gammapy's statistic at the result with
newly assigned models. The distances at which it has risen by 1 on both sides are the asymmetric
errors. They do not use skyred's code for errors.
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

PARABOLIC = 0.05  # largest difference of each asymmetric error from their mean, relative
AGREEMENT = 0.02  # of an error with the mean of the asymmetric ones, relative
ACCURACY = 0.004  # of a crossing, in the statistic: a five hundredth of an error
STEPS = 12
MAX_DECREASE = 0.01  # of the statistic below the best fit: with more there is another minimum
CPU_LIMIT = 600.0  # seconds per parameter
MAX_CHECKED = 12  # parameters of a problem that are all checked
N_SAMPLED = 8  # checked parameters of larger problems


@attrs.frozen
class ErrorJob:
    """A parameter of a problem, by its number among the free ones."""

    problem: str
    number: int


@attrs.define
class ErrorRecord:
    """The error of a parameter, and its asymmetric errors by a profile.

    Parameters
    ----------
    job : ErrorJob
        The parameter.
    name : str
        Its name.
    success : bool
        Whether the fit was successful.
    error : float
        The error of the fit.
    errp, errn : float
        Asymmetric errors by the profile, both positive; NaN if there are none.
    near_centre : bool
        Whether the position of a point source is less than an error from the centre of a pixel.
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
    def parabolic(self) -> bool:
        """Return whether both asymmetric errors exist and agree."""
        return bool(abs(self.errp - self.mean) <= PARABOLIC * self.mean)

    @property
    def difference(self) -> float:
        """Return the relative difference of the error from the asymmetric ones."""
        return self.error / self.mean - 1

    @property
    def compared(self) -> bool:
        """Return whether the error has to agree."""
        return self.success and self.parabolic and not self.near_centre

    @property
    def wrong(self) -> bool:
        return self.compared and not abs(self.difference) <= AGREEMENT


class LowerMinimumError(Exception):
    """Raised if a profile is lower than the best fit."""


def error_jobs(name: str, problem: Problem) -> list[ErrorJob]:
    """Return the parameters to check, a random choice if there are many."""
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
        Its problem.
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
            record.near_centre = near_centre(datasets, job.number, record.error)
            curve = Curve(problem, cache, datasets.models, job.number, record.error)
            record.errp, record.errn = curve.crossing(1), curve.crossing(-1)
    except Exception as error:  # any exception is recorded
        record.message = f"{type(error).__name__}: {error}"
    return record


def near_centre(datasets: Datasets, number: int, error: float) -> bool:
    """Return whether a parameter is a coordinate of a point source near a pixel's centre."""
    parameter = free_parameters(datasets.models)[number]
    for model in datasets.models:
        spatial = getattr(model, "spatial_model", None)
        if not isinstance(model, SkyModel) or not isinstance(spatial, PointSpatialModel):
            continue
        for axis, name in enumerate(("lon_0", "lat_0")):
            if spatial.parameters[name] is parameter:
                return any(
                    centre_within(dataset.counts.geom.to_image(), spatial, axis, error)
                    for dataset in datasets
                )
    return False


def centre_within(geom: WcsGeom, spatial: PointSpatialModel, axis: int, error: float) -> bool:
    pixel = np.ravel(geom.coord_to_pix(spatial.position)[axis])[0]
    scale = geom.pixel_scales[axis].to_value("deg")
    if axis == 0:
        scale /= np.cos(spatial.lat_0.quantity.to_value("rad"))
    return bool(abs(pixel - round(pixel)) < error / scale)


@attrs.define
class Curve:
    """The statistic along a parameter, all others fitted."""

    problem: Problem
    cache: Path
    best: Models
    number: int
    error: float
    lowest: float = np.nan

    def __attrs_post_init__(self) -> None:
        self.best = self.best.copy()
        self.lowest = fresh_stat(self.problem, self.best, self.cache)

    def crossing(self, sign: int) -> float:
        """Return the distance at which the statistic has risen by 1, or NaN.

        The square root of the rise is linear for a parabola, so secant steps are used, within the
        bracket.
        """
        models = self.best.copy()
        low, high, distance = (0.0, 0.0), (np.inf, np.inf), self.error
        for _ in range(STEPS):
            if not self.allowed(models, sign * distance):
                return np.nan
            rise, models = self.rise(models, sign * distance)
            if rise < -MAX_DECREASE:
                raise LowerMinimumError(f"{-rise:.3g} below the best fit at {sign * distance:+.4g}")
            root = np.sqrt(max(rise, 0.0))
            if abs(rise - 1) < ACCURACY:
                return distance / root
            low, high = ((distance, root), high) if rise < 1 else (low, (distance, root))
            distance = self.next_distance(low, high)
        return np.nan

    def next_distance(self, low: tuple[float, float], high: tuple[float, float]) -> float:
        if not np.isfinite(high[0]):
            return low[0] * float(np.clip(1 / max(low[1], 0.1), 1.02, 3.0))
        slope = (high[1] - low[1]) / (high[0] - low[0])
        target = low[0] + (1 - low[1]) / slope
        margin = 0.02 * (high[0] - low[0])
        return float(np.clip(target, low[0] + margin, high[0] - margin))

    def allowed(self, models: Models, shift: float) -> bool:
        parameter = self.parameter(models)
        value = self.parameter(self.best).value + shift
        return not (value < parameter.min or value > parameter.max)

    def parameter(self, models: Models) -> Parameter:
        """Return the profiled parameter of copied models; it may be frozen there."""
        all_parameters = self.best.parameters.unique_parameters
        indices = [index for index, parameter in enumerate(all_parameters) if not parameter.frozen]
        return models.parameters.unique_parameters[indices[self.number]]

    def rise(self, models: Models, shift: float) -> tuple[float, Models]:
        """Return the rise of the statistic at a shift, and the models of the conditional fit."""
        import skyred

        datasets = self.problem.datasets(models, self.cache)
        fixed = self.parameter(datasets.models)
        fixed.value, fixed.frozen = self.parameter(self.best).value + shift, True
        if len(free_parameters(datasets.models)):
            skyred.fit(datasets)
        stat = fresh_stat(self.problem, datasets.models, self.cache)
        return stat - self.lowest, datasets.models.copy()
