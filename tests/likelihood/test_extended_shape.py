"""Convolutions of the images of extended sources, and their transposes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.signal import fftconvolve

from skyred.likelihood.extended_shape import Convolution


@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    half_size=st.tuples(st.integers(0, 7), st.integers(0, 7)),
)
def test_transposed_convolution_is_the_adjoint_of_the_convolution(
    seed: int, shape: tuple[int, int], half_size: tuple[int, int]
) -> None:
    random = np.random.default_rng(seed)
    kernel = random.uniform(size=(3, 2 * half_size[0] + 1, 2 * half_size[1] + 1)).astype(np.float32)
    image, weights = random.uniform(size=shape), random.normal(size=(3, *shape))
    convolution = Convolution(kernel, shape)
    padded = np.pad(image, [(width, width) for width in half_size])
    expected = sum(
        np.sum(weight * fftconvolve(padded, kernel_at_energy, mode="valid"))
        for weight, kernel_at_energy in zip(weights, kernel.astype(float), strict=True)
    )
    product = np.vdot(convolution.apply_transpose(weights), image)
    assert product == pytest.approx(expected, abs=1e-6 * float(kernel.sum()))
    assert np.sum(weights * convolution(image)) == pytest.approx(
        expected, abs=1e-5 * float(kernel.sum())
    )
