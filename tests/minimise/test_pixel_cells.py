"""The search among pixel cells, on objectives that are pieces of parabolas between integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyred import Objective
from skyred.minimise import minimise
from skyred.objective import PixelGrid

PIXEL = 0.02  # deg


def comb(ridge: float, bottom: tuple[float, float], start: tuple[float, float]) -> Objective:
    """A parabola in pixels, with a ridge of some height at every integer, and an amplitude.

    The term ``-ridge * 4 t (1 - t)`` of the position t inside a cell has its minimum in the middle;
    at integers it is zero, with slopes away from the line on both sides.
    """
    middle = np.array(bottom)

    def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        pixels = x[:2] / PIXEL
        inside = pixels - np.floor(pixels)
        return pixels - middle, inside, x[2] - 3.0

    def stat(x: np.ndarray) -> float:
        away, inside, rest = parts(x)
        return float((away**2).sum() - ridge * (4 * inside * (1 - inside)).sum() + rest**2)

    def gradient(x: np.ndarray) -> np.ndarray:
        away, inside, rest = parts(x)
        return np.array([*((2 * away - ridge * (4 - 8 * inside)) / PIXEL), 2 * rest])

    grid = PixelGrid(
        name="source",
        places=np.array([0, 1]),
        related=np.array([0, 1, 2]),
        to_pixels=lambda x: x[:2] / PIXEL,
        to_sky=lambda pixels, x: pixels * PIXEL,
    )
    return Objective(
        names=["lon", "lat", "amplitude"],
        start=[start[0] * PIXEL, start[1] * PIXEL, 1.0],
        stat=stat,
        gradient_of=gradient,
        fisher_of=lambda x: np.diag([2 / PIXEL**2, 2 / PIXEL**2, 2.0]) * (1 + 4 * max(ridge, 0)),
        grids=[grid],
    )


def lowest(ridge: float, bottom: float) -> float:
    """The exact minimum along one axis, by its parabola in each cell."""
    best = np.inf
    for cell in range(-12, 13):
        # a parabola in each cell: its minimum, or an end of the cell
        curvature, slope = 1 + 4 * ridge, bottom + 4 * ridge * (cell + 0.5)
        inner = slope / curvature if curvature > 0 else float(cell)
        for place in (np.clip(inner, cell, cell + 1), cell, cell + 1):
            inside = place - cell
            best = min(best, (place - bottom) ** 2 - ridge * 4 * inside * (1 - inside))
    return best


@given(
    ridge=st.floats(0.05, 3.0),
    bottom=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    start=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)
@pytest.mark.parametrize("method", ["newton", "minuit"])
def test_the_lowest_cell_is_found_over_ridges(
    method: Any, ridge: float, bottom: tuple[float, float], start: tuple[float, float]
) -> None:
    result = minimise(comb(ridge, bottom, start), method=method)
    expected = sum(lowest(ridge, axis) for axis in bottom)
    assert not result.success or result.stat <= expected + 0.01
    assert method == "minuit" or result.success


@given(depth=st.floats(0.05, 0.2), start=st.tuples(st.floats(-5, 5), st.floats(-5, 5)))
def test_a_minimum_on_a_line_is_a_success_that_says_so(
    depth: float, start: tuple[float, float]
) -> None:
    # a negative ridge is a valley at each integer; the best one is at (1, -1)
    result = minimise(comb(-depth, (1.0, -1.0), start))
    assert result.success, result.message
    assert result.values[:2] / PIXEL == pytest.approx([1, -1], abs=1e-4)
    assert any("pixel centre" in note for note in result.notes)
    # along one axis the statistic is y^2 + 4 d y (1 - y) with y the distance: it rises to 1 at
    slope, curvature = 4 * depth, 1 - 4 * depth
    half_width = (-slope + np.sqrt(slope**2 + 4 * curvature)) / (2 * curvature)
    assert result.errors[:2] / PIXEL == pytest.approx(half_width, rel=0.02)
