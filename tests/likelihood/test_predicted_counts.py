"""Predicted counts, with the background of on-off data, agree with gammapy's `Dataset.npred`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets

import plain_gammapy
import small_datasets as small
from skyred.likelihood import Likelihood

CONVOLUTION_TOLERANCE = 1e-6  # relative to the maximum; gammapy convolves in float32


@pytest.mark.parametrize(
    "make", [small.map_dataset, small.spectrum_dataset, small.spectrum_on_off, small.map_on_off]
)
@pytest.mark.parametrize("factor", [1.0, 0.0, -0.5])
def test_predicted_counts_agree_with_gammapy_inside_and_outside_the_mask(
    make: Callable[..., Any], factor: float
) -> None:
    dataset = make("data")
    dataset.mask_safe.data[0] = False
    datasets = Datasets([dataset])
    datasets.models = [plain_gammapy.models()["crab"].copy(name="crab")]
    datasets.models["crab"].spectral_model.amplitude.value *= factor
    likelihood = Likelihood(datasets)
    actual = likelihood.npred(likelihood.initial_state[likelihood.space.free])["data"]
    expected = dataset.npred().data
    assert actual == pytest.approx(expected, abs=CONVOLUTION_TOLERANCE * np.max(expected))


def test_predicted_counts_of_on_off_data_include_the_background() -> None:
    dataset = small.spectrum_on_off("data")
    datasets = Datasets([dataset])
    datasets.models = [plain_gammapy.models()["crab"].copy(name="crab")]
    likelihood = Likelihood(datasets)
    npred = likelihood.npred(likelihood.initial_state[likelihood.space.free])["data"]
    signal = dataset.npred_signal().data
    background = dataset.npred_background().data
    assert background.sum() > 1
    assert npred == pytest.approx(signal + background, rel=1e-6)
