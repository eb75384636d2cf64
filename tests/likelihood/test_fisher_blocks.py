"""Fisher matrices that are summed in blocks agree with products of dense derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import FoVBackgroundModel, Models
from hypothesis import given, strategies as st

import plain_gammapy
import small_datasets as small
from skyred.likelihood import Likelihood
from skyred.likelihood.fisher import ContributionGradient, fisher_matrix

BINS = 40


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(0, 25), max_size=5),
    n_complete=st.integers(0, 2),
    n_parameters=st.integers(1, 8),
)
def test_sum_of_blocks_agrees_with_dense_derivatives(
    seed: int, sizes: list[int], n_complete: int, n_parameters: int
) -> None:
    random = np.random.default_rng(seed)
    contributions, dense = [], np.zeros((n_parameters, BINS))
    for size in [*sizes, *[BINS] * n_complete]:
        indices = random.permutation(n_parameters)[: random.integers(0, 4)].tolist()
        rows = random.permutation(BINS)[:size]
        slopes = random.normal(size=(len(indices), size))
        is_complete = size == BINS
        if is_complete:
            rows = np.arange(BINS)
        contributions.append(
            ContributionGradient(indices, slice(None) if is_complete else rows, slopes)
        )
        dense[np.ix_(indices, rows)] += slopes
    weights = random.uniform(0, 2, size=BINS)
    indices, matrix = fisher_matrix(contributions, weights)
    expected = (dense * weights) @ dense.T
    assert matrix == pytest.approx(expected[np.ix_(indices, indices)], abs=1e-12)
    assert not np.delete(expected, indices, axis=0).any()


def test_fisher_matrix_agrees_with_numerical_derivatives() -> None:
    datasets = Datasets([small.map_dataset("one"), small.map_dataset("two", seed=5)])
    first, second = (plain_gammapy.models()["crab"].copy(name=name) for name in ("first", "second"))
    second.spatial_model.lon_0.value += 0.25
    second.spectral_model.index = first.spectral_model.index  # linked
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in ("one", "two")]
    datasets.models = Models([first, second, *backgrounds])
    likelihood = Likelihood(datasets)
    x, steps = likelihood.initial_state[likelihood.space.free], 1e-4 * likelihood.space.steps()
    slopes = []
    for step in np.diag(steps):
        low, high = likelihood.npred(x - step), likelihood.npred(x + step)
        slopes.append({name: (high[name] - low[name]) / (2 * step.sum()) for name in low})
    mu = likelihood.npred(x)
    expected = [
        [
            # the second derivative of the Cash statistic with respect to mu is 2 n / mu^2
            sum(
                np.sum(2 * dataset.counts.data / mu[name] ** 2 * row[name] * column[name])
                for name, dataset in zip(datasets.names, datasets, strict=True)
            )
            for column in slopes
        ]
        for row in slopes
    ]
    scale = np.sqrt(np.diag(expected))
    fisher = likelihood.fisher(x) / np.outer(scale, scale)
    assert fisher == pytest.approx(np.array(expected) / np.outer(scale, scale), abs=1e-4)
