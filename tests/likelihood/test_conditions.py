"""The likelihood with some parameters fixed agrees with the full likelihood."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import FoVBackgroundModel, GaussianPrior, Models, SkyModel

import plain_gammapy
import small_datasets as small
from skyred.likelihood import Likelihood, objective_of

STEP = 0.2  # in units of the errors


def datasets_with_models(negative: bool = False) -> Datasets:
    """Return two maps and a spectrum with overlapping sources.

    The first two sources share an index; the amplitude of the second one can be negative.
    """
    datasets = Datasets(
        [small.map_dataset("one"), small.map_on_off("two"), small.spectrum_dataset("three")]
    )
    first, second = (plain_gammapy.models()["crab"].copy(name=name) for name in ("first", "second"))
    second.spatial_model.lon_0.value += 0.1
    second.spectral_model.index = first.spectral_model.index
    if negative:
        second.spectral_model.amplitude.value *= -1
    third = SkyModel.create("pl", "gauss", name="third")
    third.spatial_model.frame = "icrs"
    third.spatial_model.lon_0.value, third.spatial_model.lat_0.value = small.CRAB
    third.spatial_model.sigma.value = 0.1
    third.spectral_model.amplitude.value = 1e-11
    third.spectral_model.index.prior = GaussianPrior(mu=2, sigma=0.3)
    datasets.models = Models([first, second, third, FoVBackgroundModel(dataset_name="one")])
    return datasets


@pytest.mark.slow
@pytest.mark.parametrize("negative", [False, True])
def test_conditional_likelihood_agrees_with_the_full_likelihood(negative: bool) -> None:
    objective = objective_of(datasets_with_models(negative))
    assert objective.condition is not None
    x = objective.start
    errors = np.sqrt(2 / np.diag(objective.fisher(x)))
    random = np.random.default_rng(3)
    blocks = [np.array([index]) for index in range(len(x))]
    for indices in chain(blocks, [np.array([1, 4]), np.arange(5), np.arange(len(x))]):
        values = x + STEP * errors * random.uniform(-1, 1, len(x))
        conditional = objective.condition(indices, values)
        for _ in range(2):
            new_values = values.copy()
            new_values[indices] += STEP * errors[indices] * random.uniform(-1, 1, len(indices))
            assert conditional.stat(new_values) == pytest.approx(objective(new_values), rel=1e-12)
            gradient = objective.gradient(new_values)[indices] * errors[indices]
            assert conditional.gradient_of(new_values) * errors[indices] == pytest.approx(
                gradient, abs=1e-6
            )
            scale = np.outer(errors[indices], errors[indices])
            fisher = objective.fisher(new_values)[np.ix_(indices, indices)] * scale
            assert conditional.fisher_of(new_values) * scale == pytest.approx(
                fisher, rel=1e-9, abs=1e-9
            )


def test_source_can_leave_its_cutout_while_others_are_fixed() -> None:
    likelihood = Likelihood(datasets_with_models())
    names = likelihood.space.names()
    x = likelihood.initial_state[likelihood.space.free]
    index = names.index("first.spatial.lon_0")
    conditional = likelihood.condition(np.array([index]), x)
    for step in (0.0, 0.25, -0.45, 0.9):
        new_values = x.copy()
        new_values[index] += step
        assert conditional.stat(new_values) == pytest.approx(likelihood.stat(new_values), rel=1e-12)


def test_fixed_datasets_are_not_evaluated_again() -> None:
    likelihood = Likelihood(datasets_with_models())
    x = likelihood.initial_state[likelihood.space.free]
    norm = likelihood.space.names().index("one-bkg.spectral.norm")
    state = likelihood.state(x)
    varied = frozenset([int(likelihood.space.free[norm])])
    spectrum = likelihood.datasets[2].condition(state, varied)
    new_state = likelihood.state(1.1 * x)
    assert spectrum.stat(new_state) == likelihood.datasets[2].stat(state)
    np.testing.assert_array_equal(spectrum.npred(new_state), likelihood.datasets[2].npred(state))
    assert not spectrum.may_clip(new_state)
    assert not spectrum.refresh(new_state)
    assert spectrum.condition(new_state, varied) is spectrum
