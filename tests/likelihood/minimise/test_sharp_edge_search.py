"""The search for the minimum if sources have sharp edges.

The statistic has many local minima and a known global minimum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skyred import Objective
from skyred.interfaces.objective import SharpEdgedSource
from skyred.likelihood.minimise import minimise

PIXEL_SIZE = 0.02  # deg
ERROR = 0.3  # of the positions, in pixels
WAVELENGTH = 0.25  # distance between the minima, in pixels
# relative accuracy of widths, for an effective sample size of about 120
WIDTH_ACCURACY = 0.15


def rippled_parabola(
    ripple: float, start: tuple[float, float, float], seed: int | None = None
) -> Objective:
    """Return a parabola of two positions and an amplitude, with ripples along the positions.

    The minimum is zero. The amplitude is correlated with the first position. The derivatives are
    those of the parabola alone. With a seed, the ripples are replaced by noise.
    """
    minimum = np.array([1.3 * PIXEL_SIZE, -0.7 * PIXEL_SIZE, 3.0])
    inverse = np.linalg.inv([[1, 0, 0.4], [0, 1, 0], [0.4, 0, 1]])
    scale = np.array([ERROR * PIXEL_SIZE, ERROR * PIXEL_SIZE, 0.2])
    curvature = inverse / np.outer(scale, scale)

    def stat(x: np.ndarray) -> float:
        difference = x - minimum
        parabola = float(difference @ curvature @ difference)
        if seed is not None:
            words = np.frombuffer(x.tobytes(), dtype=np.uint32)
            return parabola + ripple * float(np.random.default_rng([seed, *words]).random())
        return parabola + float(
            ripple * np.sin(np.pi * difference[:2] / (WAVELENGTH * PIXEL_SIZE)) ** 2 @ [1, 1]
        )

    source = SharpEdgedSource(
        name="disk",
        indices=np.array([0, 1]),
        pixels=np.full(2, PIXEL_SIZE),
        sizes=np.zeros(0, dtype=int),
        related=np.arange(3),
    )
    return Objective(
        names=["lon", "lat", "amplitude"],
        start=np.array(start) * [PIXEL_SIZE, PIXEL_SIZE, 1],
        stat=stat,
        gradient_of=lambda x: 2 * curvature @ (x - minimum),
        fisher_of=lambda x: 2 * curvature,
        sharp=lambda x: [source],
    )


def likelihood_width(ripple: float) -> float:
    """Return the standard deviation of the likelihood along a position, in pixels."""
    x = np.linspace(-3, 3, 20001)
    weights = np.exp(-0.5 * ((x / ERROR) ** 2 + ripple * np.sin(np.pi * x / WAVELENGTH) ** 2))
    return float(np.sqrt(np.average(x**2, weights=weights)))


@pytest.mark.parametrize("method", ["newton", "minuit"])
@pytest.mark.parametrize("start", [(1.3, -0.7, 3.0), (3.0, 1.0, 1.0), (-4.0, -4.0, 9.0)])
@pytest.mark.parametrize("ripple", [0.5, 2.0])
def test_lowest_of_many_minima_is_reached(
    method: Any, start: tuple[float, float, float], ripple: float
) -> None:
    result = minimise(rippled_parabola(ripple, start), method=method)
    assert result.success, result.message
    assert 0 <= result.stat < 1e-3
    assert np.abs(result.values / [PIXEL_SIZE, PIXEL_SIZE, 1] - [1.3, -0.7, 3.0]).max() < 0.01


@pytest.mark.parametrize("ripple", [0.5, 2.0])
def test_errors_are_the_widths_of_the_likelihood(ripple: float) -> None:
    result = minimise(rippled_parabola(ripple, (3.0, 1.0, 1.0)))
    expected = likelihood_width(ripple) * PIXEL_SIZE
    assert result.errors[:2] == pytest.approx([expected, expected], rel=WIDTH_ACCURACY)
    assert any("many minima along lon, lat" in note for note in result.notes)


def test_results_are_reproducible() -> None:
    first, second = (minimise(rippled_parabola(0.5, (3.0, 1.0, 1.0))) for _ in range(2))
    assert np.array_equal(first.values, second.values)
    assert np.array_equal(first.covariance, second.covariance)


def test_minimum_that_is_not_reproduced_is_a_failure() -> None:
    result = minimise(rippled_parabola(300.0, (1.3, -0.7, 3.0), seed=5))
    assert not result.success
    assert "a lower one may exist" in result.message
