"""The search among pixel cells, on objectives that are parabolas between integers."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from skyred import Objective
from skyred.interfaces.objective import PixelGrid
from skyred.likelihood.minimise import minimise
from skyred.likelihood.minimise.pixel_coordinates import PixelCoordinates

PIXEL = 0.02  # deg


def comb(ridge: float, bottom: tuple[float, float], start: tuple[float, float]) -> Objective:
    """Return a parabola in pixels, with a ridge of some height at every integer, and an amplitude.

    The term ``-ridge * 4 t (1 - t)`` of the position t offset a cell has its minimum in the middle;
    at integers it is zero, with slopes away from the line on both sides.
    """
    middle = np.array(bottom)

    def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        pixels = x[:2] / PIXEL
        offset = pixels - np.floor(pixels)
        return pixels - middle, offset, x[2] - 3.0

    def stat(x: np.ndarray) -> float:
        away, offset, residual = parts(x)
        return float((away**2).sum() - ridge * (4 * offset * (1 - offset)).sum() + residual**2)

    def gradient(x: np.ndarray) -> np.ndarray:
        away, offset, residual = parts(x)
        return np.array([*((2 * away - ridge * (4 - 8 * offset)) / PIXEL), 2 * residual])

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
    """Return the exact minimum along one axis, by its parabola in each cell."""
    best = np.inf
    for cell in range(-12, 13):
        # a parabola in each cell: its minimum, or an end of the cell
        curvature, slope = 1 + 4 * ridge, bottom + 4 * ridge * (cell + 0.5)
        inner = slope / curvature if curvature > 0 else float(cell)
        for position in (np.clip(inner, cell, cell + 1), cell, cell + 1):
            offset = position - cell
            best = min(best, (position - bottom) ** 2 - ridge * 4 * offset * (1 - offset))
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
def test_a_minimum_on_a_line_is_a_success_with_a_note(
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


def combs(ridge: float, bottoms: list[float], starts: list[float], coupling: float) -> Objective:
    """Return many combs along one axis, whose parabolas are coupled to their neighbours."""
    number, middle = len(bottoms), np.array(bottoms)
    matrix = np.eye(number) + coupling * (np.eye(number, k=1) + np.eye(number, k=-1))

    def stat(z: np.ndarray) -> float:
        offset = z - np.floor(z)
        bumps = ridge * (4 * offset * (1 - offset)).sum()
        return float((z - middle) @ matrix @ (z - middle) - bumps)

    def gradient(z: np.ndarray) -> np.ndarray:
        return 2 * matrix @ (z - middle) - ridge * (4 - 8 * (z - np.floor(z)))

    def grid(index: int) -> PixelGrid:
        return PixelGrid(
            name=f"source-{index}",
            places=np.array([index]),
            related=np.array([index]),
            to_pixels=lambda x: x[[index]],
            to_sky=lambda pixels, x: pixels,
        )

    return Objective(
        names=[f"x{index}" for index in range(number)],
        start=starts,
        stat=stat,
        gradient_of=gradient,
        fisher_of=lambda z: 2 * matrix + 8 * ridge * np.eye(number),
        grids=[grid(index) for index in range(number)],
    )


@given(
    bottoms=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    starts=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
def test_many_sources_that_do_not_overlap_each_find_their_lowest_cell(
    bottoms: list[float], starts: list[float]
) -> None:
    result = minimise(combs(0.3, bottoms, starts, 0.0))
    assert result.success, result.message
    assert result.stat <= sum(lowest(0.3, bottom) for bottom in bottoms) + 0.01


@given(starts=st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_overlapping_sources_are_fitted_again_after_one_has_moved(starts: list[float]) -> None:
    bottoms, coupling, ridge = [0.3, 0.9, -0.4], 0.2, 0.3
    result = minimise(combs(ridge, bottoms, starts, coupling))
    assert result.success, result.message
    # the exact minimum: a parabola in each combination of cells
    matrix = np.eye(3) + coupling * (np.eye(3, k=1) + np.eye(3, k=-1))
    objective = combs(ridge, bottoms, starts, coupling)
    best = np.inf
    for cells in np.ndindex(5, 5, 5):
        cell = np.array(cells) - 2
        curved = matrix + 4 * ridge * np.eye(3)
        inner = np.linalg.solve(curved, matrix @ bottoms + 4 * ridge * (cell + 0.5))
        if np.all((inner > cell) & (inner < cell + 1)):
            best = min(best, objective.total(inner))
    assert result.stat <= best + 0.01


def test_parameters_that_do_not_change_keep_their_pixels_exactly() -> None:
    objective = comb(0.3, (0.4, 0.4), (1.3, 0.7))
    far = np.array([np.nan, 1.0])  # a position that has no pixel coordinates

    def to_pixels(x: np.ndarray) -> np.ndarray:
        return x[:2] / PIXEL if abs(x[0]) < 1 else far

    objective.grids = [attrs.evolve(objective.grids[0], to_pixels=to_pixels)]
    pixels = PixelCoordinates(objective, objective.start)
    z = np.array([1e3, 2.5, 1.0])
    before = np.array([20.0, 0.05, 1.0])
    x = before.copy()
    x[2] = 4.0
    assert pixels.update(z, before, x).tolist() == [1e3, 2.5, 4.0]
