"""Comparison of the compiled likelihood with gammapy: statistic and predicted counts.

gammapy looks up kernels and cutouts at the position of a model in its first evaluation, and keeps
them until the model leaves its cutout. Both likelihoods are therefore first evaluated at the same
values, and then at other ones.
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

STAT_RTOL = 1e-8
# gammapy and skyred convolve maps with the PSF in float32: the rounding errors of the predicted
# counts differ, and the statistic differs by up to 7e-8 in these tests
CONVOLVED_STAT_RTOL = 1e-7
STAT_ATOL = 1e-6  # for a statistic near 0, which is the sum of positive and negative terms
COUNTS_RTOL = 1e-5  # relative to the maximum; gammapy's float32 FFTs are accurate to about 1e-6

DatasetsFactory = Callable[[], Datasets]
Values = np.ndarray


@attrs.define
class Prediction:
    """Statistic, and predicted counts by dataset, for some values of the parameters."""

    stat: float
    npred: dict[str, np.ndarray]


class GammapyLikelihood:
    """gammapy's likelihood of new datasets; evaluate it first at their initial values.

    Parameters
    ----------
    make : callable
        Function that returns the datasets with their models.
    """

    def __init__(self, make: DatasetsFactory) -> None:
        self.datasets = make()
        self.free = self.datasets.models.parameters.unique_parameters.free_parameters

    def __call__(self, values: Values) -> Prediction:
        """Evaluate at values of the free parameters."""
        for parameter, value in zip(self.free, values, strict=True):
            parameter.value = value
        for evaluator in self._evaluators():
            # otherwise gammapy scales cached counts by any parameter called norm or amplitude,
            # even if it is part of a sum
            evaluator._cached_parameter_values = None
            if evaluator.exposure is not None:
                evaluator.reset_cache_properties()
        npred = {dataset.name: _npred(dataset) for dataset in self.datasets}
        for evaluator in self._evaluators():
            has_position = getattr(evaluator.model, "spatial_model", None) is not None
            if has_position and evaluator._cached_position == (0, 0):
                # otherwise gammapy measures the next move from (0, 0), and updates all IRFs
                evaluator._cached_position = evaluator.model.position_lonlat
        return Prediction(float(self.datasets._stat_sum_likelihood()), npred)

    def _evaluators(self) -> Iterable[Any]:
        for dataset in self.datasets:
            yield from getattr(dataset, "evaluators", {}).values()


def _npred(dataset: Any) -> np.ndarray:
    if dataset.tag == "FluxPointsDataset":
        flux = dataset.flux_pred()  # 0 without unit if there are no models
        flux = flux.to_value("cm-2 s-1 TeV-1") if dataset.models else flux
        return np.broadcast_to(flux, dataset.data.dnde.data.shape)
    return dataset.npred().data


def assert_same(
    actual: Prediction,
    reference: Prediction,
    stat: float = STAT_ATOL,
    counts: float = COUNTS_RTOL,
    stat_rtol: float = STAT_RTOL,
) -> None:
    """Check that two predictions agree: `stat` is absolute, `counts` relative to the maximum."""
    assert actual.npred.keys() == reference.npred.keys()
    for name, expected in reference.npred.items():
        assert actual.npred[name].shape == expected.shape
        scale = np.max(np.abs(expected), initial=0)
        assert np.max(np.abs(actual.npred[name] - expected), initial=0) <= counts * scale, name
    assert actual.stat == pytest.approx(reference.stat, rel=stat_rtol, abs=stat)


def assert_agrees_with_gammapy(
    make: DatasetsFactory,
    draws: int = 0,
    more_values: Iterable[Values] = (),
    *,
    notes: bool = False,
    stat: float = STAT_ATOL,
    counts: float = COUNTS_RTOL,
) -> Likelihood:
    """Compare skyred with gammapy at the initial values of the models, and at other values.

    Parameters
    ----------
    make : callable
        Function that returns new datasets and models, with the same values in each call.
    draws : int
        Number of random sets of values, see `draw_values`.
    more_values : iterable of array
        Other values of the free parameters, in the order of gammapy's unique parameters.
    notes : bool
        Whether the likelihood may have notes, such as on models that are evaluated by gammapy.
    stat : float
        Absolute tolerance of the statistic, beside a relative one of 1e-8, or 1e-7 for maps that
        are convolved with the PSF.
    counts : float
        Tolerance of the predicted counts, relative to their maximum.

    Returns
    -------
    Likelihood
        The likelihood of skyred.
    """
    likelihood = Likelihood(make())
    assert notes or not likelihood.notes
    reference, stat_rtol = GammapyLikelihood(make), STAT_RTOL
    if any(map(_is_convolved, reference.datasets)):
        stat_rtol = CONVOLVED_STAT_RTOL
    start = likelihood.initial_state[likelihood.space.free]
    for values in (start, *draw_values(likelihood.space.free_parameters, draws), *more_values):
        actual = Prediction(likelihood.stat(values), likelihood.npred(values))
        assert_same(actual, reference(values), stat, counts, stat_rtol)
    return likelihood


def _is_convolved(dataset: Any) -> bool:
    """Return whether the predicted counts of a dataset are maps that are convolved with the PSF."""
    return getattr(dataset, "psf", None) is not None and not dataset.counts.geom.is_region


def with_models(datasets: Callable[[], list], models: Callable[[], list]) -> DatasetsFactory:
    """Return a function that creates datasets, and assigns new models to them."""

    def make() -> Datasets:
        new_datasets = Datasets(datasets())
        new_datasets.models = models()
        return new_datasets

    return make


def draw_values(parameters: Iterable[Parameter], count: int, seed: int = 0) -> list[Values]:
    """Draw random values near the current ones, within the limits of the parameters.

    Positions change by up to 0.04 deg, times by 0.02 d, and others by 20 %.

    Parameters
    ----------
    parameters : iterable of Parameter
        Parameters to draw.
    count : int
        Number of sets of values.
    seed : int
        Seed of the random generator.

    Returns
    -------
    list of array
        Values of all parameters, for each set.
    """
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
