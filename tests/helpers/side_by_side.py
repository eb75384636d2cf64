"""The flat likelihood beside gammapy's own: the same statistic, the same predicted counts.

gammapy looks kernels and cutouts up where a model is when it is evaluated first, and keeps them
until the model has left its cutout. Both sides are therefore started at the same values, and then
moved to others.
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

STAT = 1e-3  # absolute: a change of the fit statistic that no fitter looks at
COUNTS = 1e-5  # of the maximum: gammapy convolves in float32, where FFTs are good to about 1e-6
SINGLE = 1e-7  # relative, of the statistic: predicted counts are rounded to float32 on both sides

Make = Callable[[], Datasets]
Values = np.ndarray


@attrs.define
class Numbers:
    """What one side gives for some values."""

    stat: float
    npred: dict[str, np.ndarray]


class Plain:
    """gammapy's side: fresh datasets. It is first asked for the values that they are made with.

    Parameters
    ----------
    make : callable
        Makes the datasets with their models.
    """

    def __init__(self, make: Make) -> None:
        self.datasets = make()
        self.free = self.datasets.models.parameters.unique_parameters.free_parameters

    def __call__(self, values: Values) -> Numbers:
        """Give its numbers for values of the free parameters."""
        for parameter, value in zip(self.free, values, strict=True):
            parameter.value = value
        for evaluator in self._evaluators():
            # from its cache it scales by whatever is called norm or amplitude, even in a sum
            evaluator._cached_parameter_values = None
            if evaluator.exposure is not None:
                evaluator.reset_cache_properties()
        npred = {each.name: _npred(each) for each in self.datasets}
        for evaluator in self._evaluators():
            placed = getattr(evaluator.model, "spatial_model", None) is not None
            if placed and evaluator._cached_position == (0, 0):
                # gammapy would measure the first move from there, and look everything up again
                evaluator._cached_position = evaluator.model.position_lonlat
        return Numbers(float(self.datasets._stat_sum_likelihood()), npred)

    def _evaluators(self) -> Iterable[Any]:
        for dataset in self.datasets:
            yield from getattr(dataset, "evaluators", {}).values()


def _npred(dataset: Any) -> np.ndarray:
    if dataset.tag == "FluxPointsDataset":
        flux = dataset.flux_pred()  # without models a plain 0
        flux = flux.to_value("cm-2 s-1 TeV-1") if dataset.models else flux
        return np.broadcast_to(flux, dataset.data.dnde.data.shape)
    return dataset.npred().data


def assert_same(ours: Numbers, theirs: Numbers, stat: float = STAT, counts: float = COUNTS) -> None:
    assert ours.npred.keys() == theirs.npred.keys()
    for name, expected in theirs.npred.items():
        assert ours.npred[name].shape == expected.shape
        scale = np.max(np.abs(expected), initial=0)
        assert np.max(np.abs(ours.npred[name] - expected), initial=0) <= counts * scale, name
    assert ours.stat == pytest.approx(theirs.stat, rel=SINGLE, abs=stat)


def assert_flat_like_gammapy(
    make: Make,
    draws: int = 0,
    moves: Iterable[Values] = (),
    *,
    notes: bool = False,
    stat: float = STAT,
    counts: float = COUNTS,
) -> Likelihood:
    """Compare at the values that the models are made with, and at others.

    Parameters
    ----------
    make : callable
        Makes the datasets with their models, the same each time.
    draws : int
        How many random values to compare at, see `drawn`.
    moves : iterable of array
        More values of the free parameters, in the order of gammapy's unique parameters.
    notes : bool
        Whether anything may be left to gammapy.
    stat, counts : float
        Absolute tolerance of the statistic; that of the predicted counts, by their maximum.
    """
    likelihood = Likelihood(make())
    assert notes or not likelihood.notes
    theirs, start = Plain(make), likelihood.frozen[likelihood.space.free]
    for values in (start, *drawn(likelihood.space.free_parameters, draws), *moves):
        ours = Numbers(likelihood.stat(values), likelihood.npred(values))
        assert_same(ours, theirs(values), stat, counts)
    return likelihood


def with_models(datasets: Callable[[], list], models: Callable[[], list]) -> Make:
    """Make datasets and models anew each time."""

    def make() -> Datasets:
        made = Datasets(datasets())
        made.models = models()
        return made

    return make


def drawn(parameters: Iterable[Parameter], count: int, seed: int = 0) -> list[Values]:
    """Draw values: positions within 0.04 deg, times within 0.02 d, others within a fifth."""
    random, parameters = np.random.default_rng(seed), list(parameters)
    return [np.array([_drawn(each, random) for each in parameters]) for _ in range(count)]


def _drawn(parameter: Parameter, random: np.random.Generator) -> float:
    if parameter.name in ("lon_0", "lat_0"):
        return parameter.value + random.uniform(-0.04, 0.04) * u.deg.to(parameter.unit)
    if parameter.name == "t_ref":
        return parameter.value + random.uniform(-0.02, 0.02)
    value = parameter.value * random.uniform(0.8, 1.2) or random.uniform(0, 0.3)
    return np.fmax(np.fmin(value, parameter.max), parameter.min)
