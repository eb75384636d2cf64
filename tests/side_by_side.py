"""The flat likelihood beside gammapy's own: the same statistic, the same predicted counts.

gammapy looks kernels and cutouts up where a model is when it is evaluated first, and keeps them
until the model has left its cutout. Both sides are therefore started at the same values, and then
moved to others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.modeling import Parameter

from skyred.likelihood import Likelihood

STAT = 1e-3  # absolute: a change of the fit statistic that no fitter looks at
COUNTS = 1e-5  # of the maximum: gammapy convolves in float32, where FFTs are good to about 1e-6
ROUNDING = 1e-9  # relative: where nothing is convolved, only the order of the sums is another

Make = Callable[[], Datasets]
Values = np.ndarray


@attrs.define
class Numbers:
    """What one side gives for some values."""

    stat: float
    npred: dict[str, np.ndarray]


class Plain:
    """gammapy's side: fresh datasets, with their responses looked up where the models are made.

    Parameters
    ----------
    make : callable
        Makes the datasets with their models.
    """

    def __init__(self, make: Make) -> None:
        self.datasets = make()
        self.free = self.datasets.models.parameters.unique_parameters.free_parameters
        self.datasets._stat_sum_likelihood()
        for evaluator in _evaluators(self.datasets):
            # gammapy measures the first move from (0, 0), and would look everything up again
            evaluator._cached_position = evaluator.model.position_lonlat
            # from its cache it scales by whatever is called norm or amplitude, even in a sum
            evaluator.use_cache = False

    def __call__(self, values: Values) -> Numbers:
        """Give its numbers for values of the free parameters."""
        for parameter, value in zip(self.free, values, strict=True):
            parameter.value = value
        stat = float(self.datasets._stat_sum_likelihood())
        return Numbers(stat, {each.name: _npred(each) for each in self.datasets})


def _evaluators(datasets: Datasets) -> Iterable:
    for dataset in datasets:
        for evaluator in getattr(dataset, "evaluators", {}).values():
            if getattr(evaluator.model, "spatial_model", None) is not None:
                yield evaluator


def _npred(dataset: object) -> np.ndarray:
    if dataset.tag == "FluxPointsDataset":
        flux = dataset.flux_pred()  # without models a plain 0
        flux = flux.to_value("cm-2 s-1 TeV-1") if dataset.models else flux
        return np.broadcast_to(flux, dataset.data.dnde.data.shape)
    on_off = dataset.stat_type == "wstat"
    return (dataset.npred_signal() if on_off else dataset.npred()).data


def assert_same(ours: Numbers, theirs: Numbers, stat: float = STAT, counts: float = COUNTS) -> None:
    assert ours.npred.keys() == theirs.npred.keys()
    for name, expected in theirs.npred.items():
        assert ours.npred[name].shape == expected.shape
        scale = np.max(np.abs(expected), initial=0)
        assert np.max(np.abs(ours.npred[name] - expected), initial=0) <= counts * scale, name
    assert ours.stat == pytest.approx(theirs.stat, rel=ROUNDING, abs=stat)


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
