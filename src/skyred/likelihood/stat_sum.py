"""The objective by gammapy's own statistic: slow, and right for everything that gammapy can fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import FitError
from skyred.objective import Objective

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling import Parameter
    from numpy.typing import NDArray

    from skyred.records import FitResult

    Vector = NDArray[np.float64]

# A source known to 0.02 deg is a good guess for any Cherenkov telescope. Steps of degrees, Minuit's
# default here, make gammapy rebuild its PSF kernels at each of them.
POSITION_STEP = {"deg": 0.02, "rad": 0.02 * np.pi / 180}
RELATIVE_STEP = 0.1


def objective_of(datasets: Datasets) -> Objective:
    """Make the objective of datasets over the free parameters of their models.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        With models assigned.

    Returns
    -------
    Objective
        Its statistic is `Datasets.stat_sum` without priors; `accept` writes to the models.

    Raises
    ------
    FitError
        If there are no models, no free parameters, or a parameter that is not finite.
    """
    statistic = Statistic(datasets, free_parameters(datasets))
    free = statistic.free
    return Objective(
        names=unique_names(datasets, free),
        units=[str(parameter.unit) for parameter in free],
        start=[parameter.value for parameter in free],
        limits=[_limits(parameter) for parameter in free],
        steps=np.array([_step(parameter) for parameter in free]),
        stat=statistic,
        prior=statistic.prior if statistic.has_prior else None,
        quantiles=[_quantile(parameter) for parameter in free],
        on_accept=statistic.accept,
    )


def free_parameters(datasets: Datasets) -> list[Parameter]:
    """Give the free parameters of the models, each once; raises `FitError` if they cannot be."""
    if not datasets.models:
        raise FitError("the datasets have no models: there is nothing to fit")
    free = list(datasets.models.parameters.unique_parameters.free_parameters)
    if not free:
        raise FitError("no parameter is free: there is nothing to fit; set frozen: false on some")
    for parameter, name in zip(free, unique_names(datasets, free), strict=True):
        if not np.isfinite(parameter.value):
            raise FitError(f"parameter {name} starts at {parameter.value}; give it a finite value")
    return free


class Statistic:
    """gammapy's statistic of datasets, as a function of the free parameters."""

    def __init__(self, datasets: Datasets, free: Sequence[Parameter]) -> None:
        self.datasets, self.free = datasets, free
        models = datasets.models
        self.parameters, self.penalties = models.parameters, models._penalties or ()
        self.has_prior = bool(self.penalties) or any(each.prior for each in self.parameters)
        self.places: dict[Any, tuple[float, ...]] = {}

    def __call__(self, x: Vector) -> float:
        """Give the statistic without priors."""
        set_values(self.free, x)
        self._wake_sources()
        return sum(float(dataset.stat_sum()) for dataset in self.datasets)

    def prior(self, x: Vector) -> float:
        """Give what priors and penalties add."""
        set_values(self.free, x)
        penalty = sum(each.stat_sum() for each in self.penalties)
        return float(self.parameters.prior_stat_sum() + penalty)

    def accept(self, result: FitResult) -> None:
        """Write a result to the models."""
        self(result.values)  # so that the datasets predict what the models say
        write_back(self.datasets, self.free, result)

    def _wake_sources(self) -> None:
        # gammapy never looks again at a source that once left the map: without this, whatever a
        # fitter tries after such a step is a map without the source
        for dataset in self.datasets:
            for evaluator in (getattr(dataset, "evaluators", None) or {}).values():
                if getattr(evaluator.model, "spatial_model", None) is None:
                    continue
                place = tuple(evaluator.model.spatial_model.parameters.value)
                if not evaluator.contributes and self.places.get(evaluator) != place:
                    evaluator.contributes, evaluator.exposure = True, None
                self.places[evaluator] = place


def unique_names(datasets: Datasets, free: Sequence[Parameter]) -> list[str]:
    """Name parameters by their models: ``crab.spectral.index``; shared ones by their first."""
    known = dict[int, str]()
    for parameter, name in zip(
        datasets.models.parameters, datasets.models.parameters_unique_names, strict=True
    ):
        known.setdefault(id(parameter), name)
    return [known[id(parameter)] for parameter in free]


def write_back(datasets: Datasets, free: Sequence[Parameter], result: FitResult) -> None:
    """Write values, errors and covariance to the models.

    Minuit leaves parameters where it evaluated last, not at the best values, so this is needed.
    """
    from gammapy.modeling import Covariance

    set_values(free, result.values)
    parameters = datasets.models.parameters
    index = {id(parameter): place for place, parameter in enumerate(free)}
    places = [index.get(id(parameter), -1) for parameter in parameters]
    known = np.array([place >= 0 for place in places])
    matrix = np.zeros((len(places), len(places)))
    chosen = [place for place in places if place >= 0]
    matrix[np.ix_(known, known)] = result.covariance[np.ix_(chosen, chosen)]
    covariance = Covariance(parameters, matrix)
    datasets.models.covariance = covariance
    # `Datasets.models` is made anew at each access, from this: without it the errors are lost
    datasets._covariance = covariance


def set_values(free: Sequence[Parameter], x: Vector) -> None:
    """Set the parameters to a vector."""
    for parameter, value in zip(free, x, strict=True):
        parameter.value = value


def _limits(parameter: Parameter) -> tuple[float, float]:
    low, high = parameter.min, parameter.max
    return (-np.inf if np.isnan(low) else low, np.inf if np.isnan(high) else high)


def _step(parameter: Parameter) -> float:
    if parameter.error > 0:
        return float(parameter.error)
    if parameter.name in ("lon_0", "lat_0") and str(parameter.unit) in POSITION_STEP:
        return POSITION_STEP[str(parameter.unit)]
    return abs(parameter.value) * RELATIVE_STEP or RELATIVE_STEP


def _quantile(parameter: Parameter) -> Callable[[float], float] | None:
    prior: Any = parameter.prior
    return None if prior is None else prior._inverse_cdf
