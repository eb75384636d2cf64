"""Sums over rings with FFTs, against sums pixel by pixel."""

import numpy as np
from hypothesis import given, strategies as st

from skyred.components.makers.ring_sums import OffMaps, select_first_sufficient_ring, sum_around


def ring_kernel(r_in: float, r_out: float) -> np.ndarray:
    size = int(np.ceil(r_out))
    y, x = np.mgrid[-size : size + 1, -size : size + 1]
    distance = np.hypot(x, y)
    return ((distance >= r_in) & (distance <= r_out)).astype(float)


def sum_by_pixel(image: np.ndarray, r_in: float, r_out: float) -> np.ndarray:
    y, x = np.indices(image.shape)
    sums = np.empty(image.shape)
    for row, column in np.ndindex(image.shape):
        distance = np.hypot(x - column, y - row)
        sums[row, column] = image[(distance >= r_in) & (distance <= r_out)].sum()
    return sums


@st.composite
def images(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    background = random.uniform(0, 1, shape) * 10.0 ** draw(st.integers(-6, 3))
    not_excluded = random.uniform(size=shape) < draw(st.floats(0, 1))
    return random.poisson(draw(st.floats(0, 50)), shape), background, not_excluded


@given(images(), st.floats(0, 6), st.floats(0.5, 6))
def test_sums_agree_with_sums_pixel_by_pixel(ring_images, r_in, width):
    counts, background, not_excluded = ring_images
    off = sum_around(counts, background, not_excluded, ring_kernel(r_in, r_in + width))
    pixels = sum_by_pixel(not_excluded.astype(float), r_in, r_in + width)
    np.testing.assert_array_equal(off.valid, pixels > 0)
    np.testing.assert_array_equal(
        off.counts, sum_by_pixel(counts * not_excluded, r_in, r_in + width)
    )
    # float64 sums in another order
    expected, atol = (
        sum_by_pixel(background * not_excluded, r_in, r_in + width),
        1e-13 * background.max(),
    )
    np.testing.assert_allclose(off.acceptance, expected, rtol=1e-10, atol=atol)


@given(images(), st.floats(0, 3), st.floats(0.01, 100))
def test_ratio_of_counts_to_acceptance_is_the_norm(ring_images, r_in, norm):
    _, background, not_excluded = ring_images
    off = sum_around(
        norm * 1e4 * background, 1e4 * background, not_excluded, ring_kernel(r_in, r_in + 2)
    )
    estimate = off.counts[off.valid] / off.acceptance[off.valid]
    # counts are rounded to 1e-6, and are at least 0.01 if the acceptance is above 1
    precise = off.acceptance[off.valid] > 1
    np.testing.assert_allclose(estimate[precise], norm, rtol=1e-4)


def test_first_ring_with_enough_background_is_used():
    own_background = np.array([[1.0, 1.0, 1.0, 1.0]])
    valid = np.array([[True, True, False, True]])
    small_ring = OffMaps(np.array([[5.0] * 4]), np.array([[20.0, 5.0, 20.0, 1.0]]), valid)
    large_ring = OffMaps(np.array([[9.0] * 4]), np.array([[30.0, 30.0, 30.0, 2.0]]), valid | True)
    off = select_first_sufficient_ring([small_ring, large_ring], own_background, max_alpha=0.1)
    assert off.counts.tolist() == [[5, 9, 9, 0]]
    assert off.acceptance.tolist() == [[20, 30, 30, 0]]
    assert off.valid.tolist() == [[True, True, True, False]]


def test_rings_are_created_only_if_a_pixel_needs_them():
    sufficient = OffMaps(np.ones((2, 2)), np.full((2, 2), 100.0), np.ones((2, 2), dtype=bool))

    def rings():
        yield sufficient
        raise AssertionError("a second ring was created")

    assert select_first_sufficient_ring(rings(), np.ones((2, 2)), max_alpha=0.1).valid.all()
