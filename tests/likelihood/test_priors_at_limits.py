"""Edges of uniform priors have the same effect as limits of parameters."""

from __future__ import annotations

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import GaussianPrior, LogUniformPrior, Prior, UniformPrior

import skyred
from fit_comparison import map_with_source

# limits of the amplitude; without them, the best value is 4.4e-11
LOW, HIGH = 1e-12, 3e-11


def with_limited_amplitude(prior: Prior | None = None) -> Datasets:
    """Return datasets with a prior on the amplitude, or with limits."""
    datasets = map_with_source()
    amplitude = datasets.models["point"].spectral_model.amplitude
    amplitude.prior = prior
    if prior is None:
        amplitude.min, amplitude.max = LOW, HIGH
    return datasets


@pytest.mark.parametrize("prior_class", [UniformPrior, LogUniformPrior])
def test_edge_of_a_uniform_prior_is_a_limit(prior_class: type[Prior]) -> None:
    expected = skyred.fit(with_limited_amplitude())
    datasets = with_limited_amplitude(prior_class(min=LOW, max=HIGH))
    result = skyred.fit(datasets)
    assert result.success, result.message
    assert result.at_limit == expected.at_limit == ("point.spectral.amplitude",)
    assert result.values == pytest.approx(expected.values, rel=1e-6)
    assert result.errors == pytest.approx(expected.errors, rel=5e-3)
    assert result.stat == pytest.approx(datasets.stat_sum(), abs=1e-3)
    assert not any("MIGRAD" in note for note in result.notes)


def test_prior_of_a_parameter_with_equal_limits_has_no_effect() -> None:
    datasets = map_with_source()
    index = datasets.models["point"].spectral_model.index
    index.prior = GaussianPrior(mu=2.0, sigma=0.1)
    index.min = index.max = index.value = 2.6
    result = skyred.fit(datasets)
    assert np.isfinite(result.stat)
    assert index.value == 2.6
