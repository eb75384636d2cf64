"""Fisher matrices from blocks agree with the product of dense derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import FoVBackgroundModel, Models
from hypothesis import given, strategies as st

import plain_gammapy as plain
import small_datasets as small
from skyred.likelihood import Likelihood
from skyred.likelihood.fisher import ContributionGradient, fisher_matrix

BINS = 40


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(0, 25), max_size=5),
    everywhere=st.integers(0, 2),
    parameters=st.integers(1, 8),
)
def test_sum_of_blocks_agrees_with_dense_derivatives(
    seed: int, sizes: list[int], everywhere: int, parameters: int
) -> None:
    random = np.random.default_rng(seed)
    contributions, dense = [], np.zeros((parameters, BINS))
    for size in [*sizes, *[BINS] * everywhere]:
        indices = random.permutation(parameters)[: random.integers(0, 4)].tolist()
        rows = random.permutation(BINS)[:size]
        slopes = random.normal(size=(len(indices), size))
        reaches_all = size == BINS and everywhere > 0
        if reaches_all:
            rows = np.arange(BINS)
        contributions.append(
            ContributionGradient(indices, slice(None) if reaches_all else rows, slopes)
        )
        dense[np.ix_(indices, rows)] += slopes
    weights = random.uniform(0, 2, size=BINS)
    indices, matrix = fisher_matrix(contributions, weights)
    expected = (dense * weights) @ dense.T
    assert matrix == pytest.approx(expected[np.ix_(indices, indices)], abs=1e-12)
    others = np.delete(expected, indices, axis=0)
    assert not others.any()


def test_fisher_matrix_agrees_with_numerical_derivatives() -> None:
    datasets = Datasets([small.map_dataset("one"), small.map_dataset("two", seed=5)])
    first, second = (plain.models()["crab"].copy(name=name) for name in ("first", "second"))
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
            # Cash: the second derivative by the predicted counts is 2 n / mu^2
            sum(
                np.sum(2 * d.counts.data / mu[d.name] ** 2 * a[d.name] * b[d.name])
                for d in datasets
            )
            for b in slopes
        ]
        for a in slopes
    ]
    scale = np.sqrt(np.diag(expected))
    fisher = likelihood.fisher(x) / np.outer(scale, scale)
    assert fisher == pytest.approx(np.array(expected) / np.outer(scale, scale), abs=1e-4)
