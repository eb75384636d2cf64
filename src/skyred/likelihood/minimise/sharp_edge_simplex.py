"""Simplex searches around a source with sharp edges, from the lowest of random samples.

The simplex method (Nelder & Mead 1965, Computer Journal 7, 308) needs no derivatives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.minimise.sharp_edge_profile import SharpEdgeProfile

    Array = NDArray[np.float64]

MIN_SEPARATION = 0.3  # between the starts of searches, in units of the scale
MIN_AGREEING = 3  # number of searches that must end at the lowest value
SAME_MINIMUM = 0.005  # in the statistic: searches that end within this have the same minimum
SIMPLEX_SIZE = 0.15  # in units of the scale
SIMPLEX_OPTIONS = {"xatol": 1e-5, "fatol": 1e-5, "maxfev": 600}


def search_lowest(
    profile: SharpEdgeProfile,
    random: np.random.Generator,
    samples_per_parameter: int,
    search_range: tuple[int, int],
) -> tuple[Array, int]:
    """Return the lowest of the points at which several searches end.

    Parameters
    ----------
    profile : SharpEdgeProfile
        The statistic around a source with k parameters.
    random : numpy.random.Generator
        The random number generator.
    samples_per_parameter : int
        Number of samples per parameter.
    search_range : (int, int)
        Smallest and largest number of searches.

    Returns
    -------
    shift : array
        The shift of the end point with the lowest statistic, in units of the scale, shape (k,).
    n_agreeing : int
        Number of searches that ended there.
    """
    samples = profile.sample(random, samples_per_parameter * len(profile.indices))
    min_searches, max_searches = search_range
    shifts: list[Array] = []
    stats: list[float] = []
    for start in _select_separate(
        samples.shifts[np.argsort(samples.stats, kind="stable")], max_searches
    ):
        shift, stat = run_simplex(profile, random, start, SIMPLEX_SIZE)
        shifts.append(shift)
        stats.append(stat)
        n_agreeing = int(np.count_nonzero(np.array(stats) < min(stats) + SAME_MINIMUM))
        if n_agreeing >= MIN_AGREEING and len(stats) >= min_searches:
            break
    return shifts[int(np.argmin(stats))], n_agreeing


def _select_separate(points: Array, max_number: int) -> list[Array]:
    """Select points in order, except those that are close to a point already selected.

    Parameters
    ----------
    points : array
        The points, in units of the scale, shape (m, k).
    max_number : int
        Largest number of selected points.

    Returns
    -------
    list of array
        The selected points, each of shape (k,).
    """
    selected: list[Array] = []
    for point in points:
        if all(np.linalg.norm(point - neighbour) > MIN_SEPARATION for neighbour in selected):
            selected.append(point)
        if len(selected) == max_number:
            break
    return selected


def run_simplex(
    profile: SharpEdgeProfile, random: np.random.Generator, start: Array, size: float
) -> tuple[Array, float]:
    """Search for a minimum with the simplex method.

    Parameters
    ----------
    profile : SharpEdgeProfile
        The statistic around a source with k parameters.
    random : numpy.random.Generator
        The random number generator, for the directions of the sides of the first simplex.
    start : array
        The shift at which the search starts, in units of the scale, shape (k,).
    size : float
        Length of the sides of the first simplex, in units of the scale.

    Returns
    -------
    shift : array
        The shift at which the search ended, in units of the scale, shape (k,).
    stat : float
        The statistic there.
    """
    from scipy.optimize import minimize

    sides = size * random.choice([-1.0, 1.0], size=len(start))
    simplex = np.vstack([start, start + np.diag(sides)])
    options = {**SIMPLEX_OPTIONS, "initial_simplex": simplex}
    result = minimize(profile, start, method="Nelder-Mead", options=options)
    return result.x, float(result.fun)
