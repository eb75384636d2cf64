"""Priors for samplers: the transformation of the unit cube matches the prior density.

For any prior, -2 log of the density of transformed values, plus the part of the prior that is
left in the sampled statistic, must be the statistic of the prior, up to a constant.
"""

from __future__ import annotations

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import (
    GaussianPrior,
    GeneralizedGaussianPrior,
    LogUniformPrior,
    Models,
    PowerLawSpectralModel,
    SkyModel,
    UniformPrior,
)
from scipy import stats

from skyred.likelihood import objective_of
from small_datasets import spectrum_dataset

CUBE = np.linspace(0.02, 0.98, 25)
STEP = 1e-4
PRIORS = {
    "gaussian": GaussianPrior(mu=2.4, sigma=0.3),
    "uniform": UniformPrior(min=1, max=4),
    "log-uniform": LogUniformPrior(min=0.5, max=5),
    "laplace": GeneralizedGaussianPrior(mu=2.4, sigma=0.3, eta=1),
    "weighted": GaussianPrior(mu=2.4, sigma=0.3, weight=2),
    "weighted log-uniform": LogUniformPrior(min=0.5, max=5, weight=0.5),
}


def create_objective(prior, limits=(np.nan, np.nan), linked=False):
    models = [
        SkyModel(PowerLawSpectralModel(index=2.3, amplitude="4e-11 cm-2 s-1 TeV-1"), name=name)
        for name in ("a", "b")[: 2 if linked else 1]
    ]
    index = models[0].spectral_model.index
    index.prior, index.min, index.max = prior, *limits
    for model in models:
        model.spectral_model.amplitude.frozen = True
        model.spectral_model.index = index
    datasets = Datasets([spectrum_dataset("s")])
    datasets.models = Models(models)
    return objective_of(datasets)


def prior_differences(objective):
    """Yield the differences between the two forms of the prior, which must be constant."""
    for q in CUBE:
        low, x, high = (objective.transform([q + side])[0] for side in (-STEP, 0, STEP))
        density = 2 * STEP / (high - low)
        remainder = objective.sampled_stat([x]) - objective([x])
        yield -2 * np.log(density) + remainder - objective.prior_stat([x])


@pytest.mark.slow
@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
@pytest.mark.parametrize("limits", [(np.nan, np.nan), (2.0, np.nan), (1.5, 3.0)])
@pytest.mark.parametrize("linked", [False, True])
def test_transformation_and_sampled_stat_agree_with_the_prior(prior, limits, linked):
    objective = create_objective(prior, limits, linked)
    differences = np.array(list(prior_differences(objective)))
    # finite differences are accurate to 1e-6, except at the maximum of the Laplace distribution
    assert np.median(np.abs(differences - np.median(differences))) < 1e-6
    low, high = limits
    x = np.array([objective.transform([q])[0] for q in CUBE])
    # gammapy also uses uniform priors as limits
    if not isinstance(prior, (UniformPrior, LogUniformPrior)):
        assert np.all(x >= np.nan_to_num(low, nan=-np.inf))
        assert np.all(x <= np.nan_to_num(high, nan=np.inf))


@pytest.mark.parametrize(
    ("prior", "distribution"),
    [
        (PRIORS["gaussian"], stats.norm(2.4, 0.3)),
        (PRIORS["uniform"], stats.uniform(1, 3)),
        (PRIORS["log-uniform"], stats.loguniform(0.5, 5)),
        (PRIORS["laplace"], stats.laplace(2.4, 0.3 * np.sqrt(2))),
    ],
    ids=["gaussian", "uniform", "log-uniform", "laplace"],
)
def test_quantiles_agree_with_the_distribution(prior, distribution):
    objective = create_objective(prior)
    quantiles = [objective.transform([q])[0] for q in CUBE]
    assert quantiles == pytest.approx(distribution.ppf(CUBE), rel=1e-12)


def test_prior_that_is_negligible_between_limits_is_in_the_sampled_stat():
    objective = create_objective(GaussianPrior(mu=0, sigma=0.1), (2.0, 3.0))
    assert objective.transform([0.5]).tolist() == [2.5]
    difference = objective.sampled_stat([2.5]) - objective([2.5])
    assert difference == pytest.approx(-2 * stats.norm(0, 0.1).logpdf(2.5))
