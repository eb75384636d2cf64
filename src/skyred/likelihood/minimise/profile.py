"""Profiles and contours: the rise of the statistic around its minimum, with conditional fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional_fit import ConditionalFit, ConditionalMinimum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult

    Array = NDArray[np.float64]

ACCURACY = 1e-3  # of a crossing, in the statistic: 1/2000 sigma
GROWTH = 2.0  # factor by which a step grows at most if it did not reach the crossing
MAX_FITS = 40
STEEP_RATIO = 3.0  # a bracket is halved if its end exceeds this times the square root of the rise
MIN_JUMP = 0.5  # smallest discontinuity, in units of the square root of the rise
JUMP_WIDTH = 0.02  # relative accuracy of the position of a discontinuity
MAX_LENGTH = 100.0  # largest length in the search for a crossing, relative to that of a parabola


@attrs.frozen(eq=False)
class ParameterProfile:
    """The statistic along one parameter, with all other parameters fitted.

    Parameters
    ----------
    values, stat : array
        Values of the parameter, and the statistic at each of them, shape (m,); the statistic is NaN
        where the fit failed.
    parameters : array
        All n parameters at each value, shape (m, n).
    """

    values: Array
    stat: Array
    parameters: Array


def profile(conditional_fit: ConditionalFit, values: Sequence[float] | Array) -> ParameterProfile:
    """Compute the statistic along the fixed parameter.

    The values are fitted in the order of their distance from the best value, so that each fit
    starts from a neighbouring one.

    Parameters
    ----------
    conditional_fit : ConditionalFit
        The fit with one fixed parameter.
    values : sequence of float
        Values of this parameter, shape (m,).

    Returns
    -------
    ParameterProfile
        The profile, in the order of the values.
    """
    grid = np.asarray(values, dtype=float)
    minima_by_index: dict[int, ConditionalMinimum] = {}
    for index in np.argsort(
        np.abs(grid - conditional_fit.best.values[conditional_fit.fixed[0]]), kind="stable"
    ):
        minima_by_index[int(index)] = conditional_fit.fit([grid[index]])
    minima = [minima_by_index[index] for index in range(len(grid))]
    stat = np.array([minimum.stat if minimum.success else np.nan for minimum in minima])
    parameters = np.array([minimum.values for minimum in minima])
    return ParameterProfile(grid, stat, parameters)


@attrs.frozen(eq=False)
class ContourPoint:
    """The point on a ray from the minimum at which the statistic has risen by some amount.

    Parameters
    ----------
    values : array
        The fixed parameters, shape (k,); NaN if the statistic does not rise by this amount.
    at_limit : bool
        Whether the point is at a limit of a parameter, because no crossing was found before it.
    """

    values: Array
    at_limit: bool = False


def find_crossing(conditional_fit: ConditionalFit, direction: Array, rise: float) -> ContourPoint:
    """Find the point in a direction from the best fit at which the statistic has risen by `rise`.

    Parameters
    ----------
    conditional_fit : ConditionalFit
        The fit with the k parameters of the direction fixed.
    direction : array
        A step of about one error, in the units of the parameters, shape (k,).
    rise : float
        The rise of the statistic: 1 for one sigma of one parameter.

    Returns
    -------
    ContourPoint
        The point.
    """
    best = conditional_fit.best.values[conditional_fit.fixed]
    max_length = _length_to_limits(
        best, direction, conditional_fit.objective.limits[conditional_fit.fixed]
    )
    length = find_crossing_length(
        lambda length: conditional_fit.fit(best + length * direction),
        conditional_fit.best.stat,
        rise,
        max_length,
    )
    if np.isnan(length) and np.isfinite(max_length):
        return ContourPoint(best + max_length * direction, at_limit=True)
    return ContourPoint(best + length * direction)


def _length_to_limits(best: Array, direction: Array, limits: Array) -> float:
    distance = np.where(direction > 0, limits[:, 1] - best, best - limits[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = np.where(direction != 0, distance / np.abs(direction), np.inf)
    return max(float(lengths.min()), 0.0)


def find_crossing_length(
    fit: Callable[[float], ConditionalMinimum],
    lowest: float,
    rise: float,
    max_length: float = np.inf,
) -> float:
    """Find the length of a step after which the statistic has risen by some amount.

    The square root of the rise is nearly linear, so the search uses its secants.

    Parameters
    ----------
    fit : callable
        Function that returns the conditional fit at a length, in sigma.
    lowest : float
        The statistic at length 0.
    rise : float
        The rise of the statistic.
    max_length : float
        The largest length.

    Returns
    -------
    float
        The length, in sigma; if the statistic jumps over this rise, the length up to the
        discontinuity; NaN if no crossing was found.
    """
    target = float(np.sqrt(rise))
    low, low_height, high, high_height = 0.0, -target, np.inf, np.nan
    length, max_length = min(target, max_length), min(max_length, MAX_LENGTH * target)
    for _ in range(MAX_FITS):
        minimum = fit(length)
        excess = minimum.stat - lowest - rise
        if abs(excess) < ACCURACY:
            return length
        # a point at which the fit fails is treated as beyond the crossing
        height = np.sqrt(max(excess + rise, 0)) - target if minimum.success else np.inf
        if height < 0:
            if length >= max_length:
                return np.nan
            low, low_height = length, float(height)
        else:
            high, high_height = length, float(height)
        if high - low < JUMP_WIDTH * high and high_height - low_height > MIN_JUMP * target:
            return (low + high) / 2
        length = _next_length(low, low_height, high, high_height, target, max_length)
    return length if high - low < ACCURACY * high else np.nan


def _next_length(
    low: float, low_height: float, high: float, high_height: float, target: float, max_length: float
) -> float:
    if np.isinf(high):
        extrapolated = low * target / max(low_height + target, target / GROWTH)
        return min(max(extrapolated, low * 1.05), low * GROWTH, max_length)
    if high_height > STEEP_RATIO * target:  # a secant would end too close to the lower end
        return (low + high) / 2
    fraction = -low_height / (high_height - low_height)
    # not too close to an end, so that both ends converge
    return low + (high - low) * float(np.clip(fraction, 0.02, 0.98))


def asymmetric_errors(
    objective: Objective,
    best: FitResult,
    index: int,
    sigma: float,
    conditional_fit: ConditionalFit | None = None,
) -> tuple[float, float]:
    """Compute the asymmetric errors of a parameter, as MINOS does.

    Parameters
    ----------
    objective : Objective
        The objective of all parameters.
    best : FitResult
        The minimum, with errors.
    index : int
        Index of the parameter.
    sigma : float
        Number of standard deviations.
    conditional_fit : ConditionalFit, optional
        The fit with this parameter fixed; by default a new one.

    Returns
    -------
    errn, errp : float
        Distances below and above the best value at which the statistic has risen by ``sigma**2``,
        both positive; NaN if it does not rise that much within the parameter limits.
    """
    conditional_fit = conditional_fit or ConditionalFit(objective, best, [index])
    errn, errp = (asymmetric_error(conditional_fit, side, sigma) for side in (-1, 1))
    return errn, errp


def asymmetric_error(conditional_fit: ConditionalFit, side: int, sigma: float) -> float:
    """Compute the asymmetric error on one side of the best value of the fixed parameter.

    Parameters
    ----------
    conditional_fit : ConditionalFit
        The fit with one parameter fixed.
    side : {-1, 1}
        The side: below or above the best value.
    sigma : float
        Number of standard deviations.

    Returns
    -------
    float
        The error, positive; NaN if the statistic does not rise by ``sigma**2`` within the limits of
        the parameter.
    """
    end = find_crossing(conditional_fit, side * conditional_fit.errors, sigma**2)
    best = conditional_fit.best.values[conditional_fit.fixed[0]]
    return np.nan if end.at_limit else abs(float(end.values[0] - best))


@attrs.frozen(eq=False)
class Contour:
    """Points around the best values of two parameters at which the statistic has risen.

    Parameters
    ----------
    rise : float
        The rise of the statistic above its minimum.
    x, y : array
        Values of the two parameters, by angle around the best fit, shape (m,).
    at_limit : array of bool
        Whether a point is at a limit of a parameter, because no crossing was found before it,
        shape (m,).
    """

    rise: float
    x: Array
    y: Array
    at_limit: NDArray[np.bool_]

    @classmethod
    def join(cls, arcs: Sequence[Contour]) -> Contour:
        """Return the contour that consists of several arcs.

        Parameters
        ----------
        arcs : sequence of Contour
            The arcs, in the order of their angles, with the same rise.

        Returns
        -------
        Contour
            The contour.
        """
        x, y, at_limit = (
            np.concatenate([getattr(arc, name) for arc in arcs]) for name in ("x", "y", "at_limit")
        )
        return cls(arcs[0].rise, x, y, at_limit)


def contour(
    conditional_fit: ConditionalFit,
    covariance: Array,
    rise: float,
    n_points: int,
    rays: slice = slice(None),
) -> Contour:
    """Compute points around the best fit at which the statistic has risen by some amount.

    The points lie on rays from the best fit, at equal angles in coordinates in which the contour of
    a parabola is a circle. On each ray, the first crossing is used.

    Parameters
    ----------
    conditional_fit : ConditionalFit
        The fit with two parameters fixed.
    covariance : array
        Covariance of these two parameters, shape (2, 2).
    rise : float
        The rise of the statistic.
    n_points : int
        Number of points around the best fit.
    rays : slice
        The points to compute; by default all.

    Returns
    -------
    Contour
        The points.
    """
    size = np.sqrt(np.diag(covariance))
    factor = size[:, None] * np.linalg.cholesky(covariance / np.outer(size, size))
    angles = np.linspace(0, 2 * np.pi, n_points, endpoint=False)[rays]
    points = [
        find_crossing(conditional_fit, factor @ [np.cos(angle), np.sin(angle)], rise)
        for angle in angles
    ]
    x, y = np.array([point.values for point in points]).T
    return Contour(rise, x, y, np.array([point.at_limit for point in points]))
