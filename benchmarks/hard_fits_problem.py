"""Problems of the benchmark of hard fits: datasets, reference models, and random starts.

The spread of the starts is computed from the Fisher matrix of the counts that gammapy predicts, so
that it does not depend on the fitter. Datasets and errors are computed once, and cached on disk.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import attrs
import gammapy
import numpy as np
from gammapy.datasets import Datasets
from gammapy.modeling import Parameter
from gammapy.modeling.models import Models, SkyModel
from hard_fits_scale import expected_errors, prediction
from numpy.random import Generator
from platformdirs import user_cache_path

SEED = 20250301
MAX_ERRORS = 10.0  # largest shift of a start, in units of the error of the parameter
MAX_FACTOR = 10.0  # largest factor for amplitudes and norms
MAX_SIZE_FACTOR = 4.0  # largest factor for sizes and cutoff energies
MAX_SHIFT = {"index": 1.5, "alpha": 1.5, "beta": 0.4, "tilt": 0.5, "e": 0.5, "phi": 60.0}
MAX_ECCENTRICITY = 0.95  # the minor axis of a Gaussian is zero at 1
SCALES = ("sigma", "r_0", "radius", "width", "lambda_")
DRAWS = 200


@attrs.frozen(eq=False)
class Problem:
    """Datasets to fit, and models close to the best fit.

    Parameters
    ----------
    name, title : str
        Identifier, and title in tables.
    build : callable
        Function that returns the datasets without models.
    reference : callable
        Function that returns the true models of a simulation, or models near the best fit of data.
    pixels : tuple of float
        Smallest and largest distance of a far start from the reference position, in pixels.
    starts : int
        Number of random starts by default.
    gammapy : bool
        Whether the problem belongs to the subset that is also fitted with gammapy.
    constrained : bool
        Whether the data constrain all free parameters.
    sharp_edged : bool
        Whether a source has a sharp edge. gammapy evaluates such a source on a grid with a step
        that depends on its size, so that the statistic has jumps and many minima within an error.
    version : str
        The version of the datasets; cached datasets of other versions are ignored.
    """

    name: str
    title: str
    build: Callable[[], Datasets]
    reference: Callable[[], Models]
    pixels: tuple[float, float] = (0.0, 5.0)
    starts: int = 12
    gammapy: bool = False
    constrained: bool = True
    sharp_edged: bool = False
    version: str = "1"

    def datasets(self, models: Models | None, cache: Path) -> Datasets:
        """Return new copies of the datasets, with copies of the models."""
        datasets = copy_without_models(prepare(self, cache).datasets)
        if models is not None:
            datasets.models = models.copy()
        return datasets


def copy_without_models(datasets: Datasets) -> Datasets:
    return Datasets([dataset.copy(name=dataset.name) for dataset in datasets])


@attrs.frozen(eq=False)
class Prepared:  # renaming it would invalidate the pickles in the cache
    """The prepared data of a problem: datasets without models, and expected parameter errors."""

    datasets: Datasets
    errors: np.ndarray


def default_cache() -> Path:
    return user_cache_path("skyred-benchmarks") / "hard-fits"


def identity(problem: Problem) -> str:
    """Return a name that changes with the version of the problem and of gammapy."""
    content = repr((problem.name, problem.version, gammapy.__version__))
    return f"{problem.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


@functools.cache
def prepare(problem: Problem, cache: Path) -> Prepared:
    """Prepare the datasets and errors of a problem, or read them from the cache.

    Parameters
    ----------
    problem : Problem
        Problem to prepare.
    cache : pathlib.Path
        Directory of the cache.

    Returns
    -------
    Prepared
        The datasets and errors, as read from disk, so that every run fits the same data.
    """
    path = cache / f"{identity(problem)}.pickle"
    if not path.exists():
        datasets = problem.build()
        datasets_with_models = copy_without_models(datasets)
        datasets_with_models.models = problem.reference()
        prepared_data = Prepared(datasets, expected_errors(datasets_with_models))
        cache.mkdir(parents=True, exist_ok=True)
        partial_file = path.with_suffix(".partial")
        partial_file.write_bytes(pickle.dumps(prepared_data))
        partial_file.replace(path)
    prepared_data = pickle.loads(path.read_bytes())
    assert isinstance(prepared_data, Prepared)
    return prepared_data


def free_parameters(models: Models) -> list[Parameter]:
    return list(models.parameters.unique_parameters.free_parameters)


def start(problem: Problem, number: int, cache: Path) -> Models:
    """Draw a random start of a problem.

    Starts with even numbers are near the reference, with positions within 10 sigma. The positions
    of starts with odd numbers are far from it.

    Parameters
    ----------
    problem : Problem
        The problem.
    number : int
        Number of the start; the same number always gives the same models.
    cache : pathlib.Path
        Directory of the cache.

    Returns
    -------
    gammapy.modeling.models.Models
        Models with a finite statistic, and all sources on the map.
    """
    generator = np.random.default_rng([SEED, zlib.crc32(problem.name.encode()), number])
    for _ in range(DRAWS):
        models = draw(problem, generator, number % 2 == 1, cache)
        datasets = problem.datasets(models, cache)
        if is_on_map(datasets) and is_finite(datasets):
            return models
    raise RuntimeError(f"{problem.name}: no valid start in {DRAWS} draws")


def draw(problem: Problem, generator: Generator, far: bool, cache: Path) -> Models:
    """Draw models around the reference."""
    models = problem.reference()
    prepared_data = prepare(problem, cache)
    errors = dict(zip(free_parameters(models), prepared_data.errors, strict=True))
    pixel = pixel_size(prepared_data.datasets)
    for model in models:
        position = []
        for parameter in model.parameters.free_parameters:
            if parameter.name in ("lon_0", "lat_0"):
                position.append(parameter)
        if position:
            shift_position(position, problem.pixels, far, pixel, errors, generator)
        for parameter in model.parameters.free_parameters:
            if parameter.name not in ("lon_0", "lat_0"):
                parameter.value = draw_value(parameter, errors[parameter], generator)
    return models


def pixel_size(datasets: Datasets) -> float:
    """Return the size of a pixel of the first map in degrees, 0 if there is no map."""
    for dataset in datasets:
        counts = getattr(dataset, "counts", None)
        if counts is not None and not counts.geom.is_region:
            return float(abs(counts.geom.pixel_scales[0].to_value("deg")))
    return 0.0


def shift_position(
    position: list[Parameter],
    pixels: tuple[float, float],
    far: bool,
    pixel: float,
    errors: dict[Parameter, float],
    generator: Generator,
) -> None:
    """Shift a position in a random direction."""
    low, high = pixels
    if not far:
        error = np.mean([errors[parameter] for parameter in position])
        high = min(high, max(MAX_ERRORS * error / pixel, low))
    distance = generator.uniform(low, high) * pixel
    angle = generator.uniform(0, 2 * np.pi)
    latitude = next(parameter.value for parameter in position if parameter.name == "lat_0")
    shifts = {
        "lon_0": distance * np.cos(angle) / np.cos(np.radians(latitude)),
        "lat_0": distance * np.sin(angle),
    }
    for parameter in position:
        parameter.value += shifts[parameter.name]


def draw_value(parameter: Parameter, error: float, generator: Generator) -> float:
    """Draw a value of a parameter that is not a position, within its limits."""
    value, deviate = float(parameter.value), generator.uniform(-1, 1)
    if parameter.name in ("amplitude", "norm"):
        value *= MAX_FACTOR**deviate
    elif parameter.name in SCALES:
        max_shift = min(MAX_ERRORS * error / abs(value), np.log(MAX_SIZE_FACTOR))
        value *= np.exp(max_shift * deviate)
    else:
        value += deviate * min(MAX_ERRORS * error, MAX_SHIFT[parameter.name])
    high = min(parameter.max, MAX_ECCENTRICITY) if parameter.name == "e" else parameter.max
    return float(np.fmin(np.fmax(value, parameter.min), high))  # limits may be NaN


def is_finite(datasets: Datasets) -> bool:
    """Return whether statistic and prediction are finite, because NaN can be hidden in stat_sum."""
    if not np.isfinite(datasets.stat_sum()):
        return False
    return all(np.isfinite(prediction(dataset)).all() for dataset in datasets)


def is_on_map(datasets: Datasets) -> bool:
    """Return whether the centres of all sources are on all maps."""
    for dataset in datasets:
        counts = getattr(dataset, "counts", None)
        if counts is None or counts.geom.is_region:
            continue
        for model in dataset.models or ():
            if not isinstance(model, SkyModel) or model.spatial_model is None:
                continue
            if not counts.geom.to_image().contains(model.position).all():
                return False
    return True
