"""Comparison of the compiled likelihood with gammapy: statistic and predicted counts.

gammapy looks up kernels and cutouts at the position of a model in its first evaluation, and keeps
them until the model leaves its cutout. Both sides are therefore started at the same values, and
then moved to others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling import Parameter

from skyred.likelihood import Likelihood

STAT = 1e-3  # absolute: a change of the fit statistic that does not matter to fitters
COUNTS = 1e-5  # relative to the maximum: gammapy's float32 FFTs are accurate to about 1e-6
SINGLE = 1e-7  # relative, of the statistic: predicted counts are rounded to float32 on both sides

Make = Callable[[], Datasets]
Values = np.ndarray


@attrs.define
class Prediction:
    """Statistic and predicted counts for some values."""

    stat: float
    npred: dict[str, np.ndarray]


class GammapyLikelihood:
    """gammapy's likelihood of new datasets, which is first evaluated at their initial values.

    Parameters
    ----------
    make : callable
        Function that returns the datasets with their models.
    """

    def __init__(self, make: Make) -> None:
        self.datasets = make()
        self.free = self.datasets.models.parameters.unique_parameters.free_parameters

    def __call__(self, values: Values) -> Prediction:
        """Evaluate at values of the free parameters."""
        for parameter, value in zip(self.free, values, strict=True):
            parameter.value = value
        for evaluator in self._evaluators():
            # with its cache, it scales by any parameter called norm or amplitude, even in a sum
            evaluator._cached_parameter_values = None
            if evaluator.exposure is not None:
                evaluator.reset_cache_properties()
        npred = {dataset.name: _npred(dataset) for dataset in self.datasets}
        for evaluator in self._evaluators():
            placed = getattr(evaluator.model, "spatial_model", None) is not None
            if placed and evaluator._cached_position == (0, 0):
                # gammapy would measure the first move from here, and look everything up again
                evaluator._cached_position = evaluator.model.position_lonlat
        return Prediction(float(self.datasets._stat_sum_likelihood()), npred)

    def _evaluators(self) -> Iterable[Any]:
        for dataset in self.datasets:
            yield from getattr(dataset, "evaluators", {}).values()


def _npred(dataset: Any) -> np.ndarray:
    if dataset.tag == "FluxPointsDataset":
        flux = dataset.flux_pred()  # without models a plain 0
        flux = flux.to_value("cm-2 s-1 TeV-1") if dataset.models else flux
        return np.broadcast_to(flux, dataset.data.dnde.data.shape)
    return dataset.npred().data


def assert_same(
    ours: Prediction, theirs: Prediction, stat: float = STAT, counts: float = COUNTS
) -> None:
    assert ours.npred.keys() == theirs.npred.keys()
    for name, expected in theirs.npred.items():
        assert ours.npred[name].shape == expected.shape
        scale = np.max(np.abs(expected), initial=0)
        assert np.max(np.abs(ours.npred[name] - expected), initial=0) <= counts * scale, name
    assert ours.stat == pytest.approx(theirs.stat, rel=SINGLE, abs=stat)


def assert_agrees_with_gammapy(
    make: Make,
    draws: int = 0,
    moves: Iterable[Values] = (),
    *,
    notes: bool = False,
    stat: float = STAT,
    counts: float = COUNTS,
) -> Likelihood:
    """Compare at the initial values of the models, and at others.

    Parameters
    ----------
    make : callable
        Function that returns the datasets with their models, with the same values each time.
    draws : int
        Number of random values to compare at, see `draw_values`.
    moves : iterable of array
        More values of the free parameters, in the order of gammapy's unique parameters.
    notes : bool
        Whether gammapy can evaluate parts of the likelihood.
    stat, counts : float
        Absolute tolerance of the statistic; that of the predicted counts, by their maximum.
    """
    likelihood = Likelihood(make())
    assert notes or not likelihood.notes
    theirs, start = GammapyLikelihood(make), likelihood.frozen[likelihood.space.free]
    for values in (start, *draw_values(likelihood.space.free_parameters, draws), *moves):
        ours = Prediction(likelihood.stat(values), likelihood.npred(values))
        assert_same(ours, theirs(values), stat, counts)
    return likelihood


def with_models(datasets: Callable[[], list], models: Callable[[], list]) -> Make:
    """Return a function that creates new datasets and models."""

    def make() -> Datasets:
        new_datasets = Datasets(datasets())
        new_datasets.models = models()
        return new_datasets

    return make


def draw_values(parameters: Iterable[Parameter], count: int, seed: int = 0) -> list[Values]:
    """Draw values: positions within 0.04 deg, times within 0.02 d, others within a fifth."""
    random, parameters = np.random.default_rng(seed), list(parameters)
    return [
        np.array([_draw_value(parameter, random) for parameter in parameters]) for _ in range(count)
    ]


def _draw_value(parameter: Parameter, random: np.random.Generator) -> float:
    if parameter.name in ("lon_0", "lat_0"):
        return parameter.value + random.uniform(-0.04, 0.04) * u.deg.to(parameter.unit)
    if parameter.name == "t_ref":
        return parameter.value + random.uniform(-0.02, 0.02)
    value = parameter.value * random.uniform(0.8, 1.2) or random.uniform(0, 0.3)
    return np.fmax(np.fmin(value, parameter.max), parameter.min)
