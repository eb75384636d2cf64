"""The search among pixel cells, for objectives that are parabolas within each cell."""

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

PIXEL_SIZE = 0.02  # deg


def ridged_parabola(
    ridge: float, minimum: tuple[float, float], start: tuple[float, float]
) -> Objective:
    """Return a parabola of two positions and an amplitude, with ridges at integer pixels.

    A position t within a cell adds ``-ridge * 4 t (1 - t)``, which has its minimum in the middle of
    the cell. At integers the term is zero, with opposite slopes on both sides.
    """
    centre = np.array(minimum)

    def terms(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        pixels = x[:2] / PIXEL_SIZE
        offset = pixels - np.floor(pixels)
        return pixels - centre, offset, x[2] - 3.0

    def stat(x: np.ndarray) -> float:
        difference, offset, residual = terms(x)
        return float(
            (difference**2).sum() - ridge * (4 * offset * (1 - offset)).sum() + residual**2
        )

    def gradient(x: np.ndarray) -> np.ndarray:
        difference, offset, residual = terms(x)
        return np.array([*((2 * difference - ridge * (4 - 8 * offset)) / PIXEL_SIZE), 2 * residual])

    grid = PixelGrid(
        name="source",
        indices=np.array([0, 1]),
        related=np.array([0, 1, 2]),
        to_pixels=lambda x: x[:2] / PIXEL_SIZE,
        to_sky=lambda pixels, x: pixels * PIXEL_SIZE,
    )
    return Objective(
        names=["lon", "lat", "amplitude"],
        start=[start[0] * PIXEL_SIZE, start[1] * PIXEL_SIZE, 1.0],
        stat=stat,
        gradient_of=gradient,
        fisher_of=lambda x: (
            np.diag([2 / PIXEL_SIZE**2, 2 / PIXEL_SIZE**2, 2.0]) * (1 + 4 * max(ridge, 0))
        ),
        grids=[grid],
    )


def exact_minimum(ridge: float, minimum: float) -> float:
    """Return the lowest value along one axis, from the minimum of the parabola in each cell."""
    best = np.inf
    for cell in range(-12, 13):
        # the minimum is that of the parabola, or at an edge of the cell
        curvature, slope = 1 + 4 * ridge, minimum + 4 * ridge * (cell + 0.5)
        inner = slope / curvature if curvature > 0 else float(cell)
        for position in (np.clip(inner, cell, cell + 1), cell, cell + 1):
            offset = position - cell
            best = min(best, (position - minimum) ** 2 - ridge * 4 * offset * (1 - offset))
    return best


@pytest.mark.slow
@given(
    ridge=st.floats(0.05, 3.0),
    minimum=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    start=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)
@pytest.mark.parametrize("method", ["newton", "minuit"])
def test_lowest_cell_is_reached_across_ridges(
    method: Any, ridge: float, minimum: tuple[float, float], start: tuple[float, float]
) -> None:
    result = minimise(ridged_parabola(ridge, minimum, start), method=method)
    expected = sum(exact_minimum(ridge, axis) for axis in minimum)
    assert not result.success or result.stat <= expected + 0.01
    assert method == "minuit" or result.success


@given(depth=st.floats(0.05, 0.2), start=st.tuples(st.floats(-5, 5), st.floats(-5, 5)))
def test_fit_to_a_minimum_at_a_pixel_centre_succeeds_with_a_note(
    depth: float, start: tuple[float, float]
) -> None:
    # negative ridges are valleys at integers; the lowest value is at (1, -1)
    result = minimise(ridged_parabola(-depth, (1.0, -1.0), start))
    assert result.success, result.message
    assert result.values[:2] / PIXEL_SIZE == pytest.approx([1, -1], abs=1e-4)
    assert any("pixel centre" in note for note in result.notes)
    # along one axis, at a distance y from the minimum, the statistic increases by
    # y^2 + 4 d y (1 - y), with the depth d; the error is the y at which it increases by 1
    slope, curvature = 4 * depth, 1 - 4 * depth
    half_width = (-slope + np.sqrt(slope**2 + 4 * curvature)) / (2 * curvature)
    assert result.errors[:2] / PIXEL_SIZE == pytest.approx(half_width, rel=0.02)


def coupled_parabolas(
    ridge: float, minima: list[float], starts: list[float], coupling: float
) -> Objective:
    """Return coupled parabolas of several positions along one axis, with ridges at integers."""
    n_sources, centre = len(minima), np.array(minima)
    matrix = np.eye(n_sources) + coupling * (np.eye(n_sources, k=1) + np.eye(n_sources, k=-1))

    def stat(z: np.ndarray) -> float:
        offset = z - np.floor(z)
        ridge_term = ridge * (4 * offset * (1 - offset)).sum()
        return float((z - centre) @ matrix @ (z - centre) - ridge_term)

    def gradient(z: np.ndarray) -> np.ndarray:
        return 2 * matrix @ (z - centre) - ridge * (4 - 8 * (z - np.floor(z)))

    def grid(index: int) -> PixelGrid:
        return PixelGrid(
            name=f"source-{index}",
            indices=np.array([index]),
            related=np.array([index]),
            to_pixels=lambda x: x[[index]],
            to_sky=lambda pixels, x: pixels,
        )

    return Objective(
        names=[f"x{index}" for index in range(n_sources)],
        start=starts,
        stat=stat,
        gradient_of=gradient,
        fisher_of=lambda z: 2 * matrix + 8 * ridge * np.eye(n_sources),
        grids=[grid(index) for index in range(n_sources)],
    )


@given(
    minima=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    starts=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
def test_separate_sources_reach_their_lowest_cells(
    minima: list[float], starts: list[float]
) -> None:
    result = minimise(coupled_parabolas(0.3, minima, starts, 0.0))
    assert result.success, result.message
    assert result.stat <= sum(exact_minimum(0.3, minimum) for minimum in minima) + 0.01


@given(starts=st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_overlapping_sources_are_fitted_jointly(starts: list[float]) -> None:
    minima, coupling, ridge = [0.3, 0.9, -0.4], 0.2, 0.3
    result = minimise(coupled_parabolas(ridge, minima, starts, coupling))
    assert result.success, result.message
    # the exact minimum is the lowest of the minima of the parabolas in all combinations of cells
    matrix = np.eye(3) + coupling * (np.eye(3, k=1) + np.eye(3, k=-1))
    objective = coupled_parabolas(ridge, minima, starts, coupling)
    best = np.inf
    for cells in np.ndindex(5, 5, 5):
        cell = np.array(cells) - 2
        hessian = matrix + 4 * ridge * np.eye(3)
        inner = np.linalg.solve(hessian, matrix @ minima + 4 * ridge * (cell + 0.5))
        if np.all((inner > cell) & (inner < cell + 1)):
            best = min(best, objective.total(inner))
    assert result.stat <= best + 0.01


def test_unchanged_parameters_keep_their_exact_pixels() -> None:
    objective = ridged_parabola(0.3, (0.4, 0.4), (1.3, 0.7))
    invalid_pixels = np.array([np.nan, 1.0])  # of a position without pixel coordinates

    def to_pixels(x: np.ndarray) -> np.ndarray:
        return x[:2] / PIXEL_SIZE if abs(x[0]) < 1 else invalid_pixels

    objective.grids = [attrs.evolve(objective.grids[0], to_pixels=to_pixels)]
    pixels = PixelCoordinates(objective, objective.start)
    z = np.array([1e3, 2.5, 1.0])
    old_x = np.array([20.0, 0.05, 1.0])
    x = old_x.copy()
    x[2] = 4.0
    assert pixels.update(z, old_x, x).tolist() == [1e3, 2.5, 4.0]
