"""Profiles and contours: how the statistic rises from its minimum, the rest fitted again."""

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

ACCURACY = 1e-3  # of a crossing, in the statistic: a two thousandth of an error
GROWTH = 2.0  # of a step that did not reach the crossing
TRIALS = 40
STEEP = 3.0  # of the root of the rise
WALL = 0.02  # of the length, within which the root of the rise makes a step: enough to know of it
STEP = 0.5
FARTHEST = 100.0  # in errors, where a crossing is given up


@attrs.frozen(eq=False)
class ParameterProfile:
    """The statistic along one parameter, with the rest at its best.

    Parameters
    ----------
    values, stat : array
        Where it was looked at, and the statistic there, shape (m,); NaN where the rest could not
        be fitted.
    others : array
        All parameters at each, shape (m, n).
    """

    values: Array
    stat: Array
    others: Array


def profile(rest: ConditionalFit, values: Sequence[float] | Array) -> ParameterProfile:
    """Follow the statistic along the parameter that is held.

    Each fit begins where its neighbour ended, from the best value outwards to both sides.

    Parameters
    ----------
    rest : ConditionalFit
        With one parameter held.
    values : array
        Where to look, shape (m,).

    Returns
    -------
    Profile
        In the order of the values.
    """
    wanted = np.asarray(values, dtype=float)
    found: dict[int, ConditionalMinimum] = {}
    for index in np.argsort(np.abs(wanted - rest.best.values[rest.places[0]]), kind="stable"):
        found[int(index)] = rest.fit([wanted[index]])
    each = [found[index] for index in range(len(wanted))]
    stat = np.array([one.stat if one.success else np.nan for one in each])
    others = np.array([one.values for one in each])
    return ParameterProfile(wanted, stat, others)


@attrs.frozen(eq=False)
class Edge:
    """Where the statistic has risen by some amount, in one direction.

    Parameters
    ----------
    place : array
        The held parameters there, shape (k,); NaN if it does not rise so far.
    at_limit : bool
        Whether a limit of a parameter comes before: the place is that limit.
    """

    place: Array
    at_limit: bool = False


def edge(rest: ConditionalFit, direction: Array, rise: float) -> Edge:
    """Find where the statistic has risen by an amount, going from the best fit in a direction.

    Parameters
    ----------
    rest : ConditionalFit
        With the parameters held that the direction is of.
    direction : array
        A step of about one error, in the units of the parameters, shape (k,).
    rise : float
        How far the statistic rises: 1 for one sigma of one parameter.
    """
    best = rest.best.values[rest.places]
    farthest = _to_limits(best, direction, rest.objective.limits[rest.places])
    length = crossing(
        lambda length: rest.fit(best + length * direction), rest.best.stat, rise, farthest
    )
    if np.isnan(length) and np.isfinite(farthest):
        return Edge(best + farthest * direction, at_limit=True)
    return Edge(best + length * direction)


def _to_limits(best: Array, direction: Array, limits: Array) -> float:
    room = np.where(direction > 0, limits[:, 1] - best, best - limits[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = np.where(direction != 0, room / np.abs(direction), np.inf)
    return max(float(lengths.min()), 0.0)


def crossing(
    fit: Callable[[float], ConditionalMinimum], lowest: float, rise: float, farthest: float = np.inf
) -> float:
    """Find how far to go for the statistic to rise by an amount; NaN if it does not.

    The root of the rise is about linear, so it is what secants are laid through.

    Parameters
    ----------
    fit : callable
        From a length, in errors, to a fit of the rest there.
    lowest : float
        The statistic at length 0.
    rise : float
        The amount.
    farthest : float
        Where to end.
    """
    goal = float(np.sqrt(rise))
    low, below, high, above = 0.0, -goal, np.inf, np.nan
    length, farthest = min(goal, farthest), min(farthest, FARTHEST * goal)
    for _ in range(TRIALS):
        found = fit(length)
        over = found.stat - lowest - rise
        if abs(over) < ACCURACY:
            return length
        # a place where the rest has no minimum counts as too far
        height = np.sqrt(max(over + rise, 0)) - goal if found.success else np.inf
        if height < 0:
            if length >= farthest:
                return np.nan
            low, below = length, float(height)
        else:
            high, above = length, float(height)
        if high - low < WALL * high and above - below > STEP * goal:
            return (low + high) / 2
        length = _next(low, below, high, above, goal, farthest)
    return length if high - low < ACCURACY * high else np.nan


def _next(
    low: float, below: float, high: float, above: float, goal: float, farthest: float
) -> float:
    if np.isinf(high):
        steeper = low * goal / max(below + goal, goal / GROWTH)
        return min(max(steeper, low * 1.05), low * GROWTH, farthest)
    if above > STEEP * goal:  # as beyond a wall: a secant would hardly leave the lower end
        return (low + high) / 2
    share = -below / (above - below)
    # at least a little off both ends, lest one of them stays for ever
    return low + (high - low) * float(np.clip(share, 0.02, 0.98))


def interval(
    objective: Objective,
    best: FitResult,
    place: int,
    sigma: float,
    rest: ConditionalFit | None = None,
) -> tuple[float, float]:
    """Find the asymmetric errors of a parameter, as MINOS does.

    Returns
    -------
    errn, errp : float
        How far down and up the statistic rises by ``sigma**2``, both positive; NaN where a limit
        comes before, or it does not rise so far.
    """
    rest = rest or ConditionalFit(objective, best, [place])
    ends = [edge(rest, np.array([side * best.errors[place]]), sigma**2) for side in (-1, 1)]
    errn, errp = (
        np.nan if end.at_limit else abs(float(end.place[0] - best.values[place])) for end in ends
    )
    return errn, errp


@attrs.frozen(eq=False)
class Contour:
    """Where the statistic has risen by an amount, around the best values of two parameters.

    Parameters
    ----------
    rise : float
        How far above its minimum the statistic is.
    x, y : array
        The points, in turn around the best fit, shape (m,).
    at_limit : array of bool
        Which of them are no rise of the statistic, but a limit of a parameter, shape (m,).
    """

    rise: float
    x: Array
    y: Array
    at_limit: NDArray[np.bool_]


def contour(rest: ConditionalFit, covariance: Array, rise: float, points: int) -> Contour:
    """Find the points around the best fit where the statistic has risen by an amount.

    They lie on rays from the best fit, even in angle where the two parameters are scaled to make
    the contour of a parabola a circle. Each ray ends where the statistic first crosses.

    Parameters
    ----------
    rest : ConditionalFit
        With two parameters held.
    covariance : array
        Of these two, shape (2, 2).
    rise : float
        How far the statistic rises.
    points : int
        How many points.
    """
    size = np.sqrt(np.diag(covariance))
    root = size[:, None] * np.linalg.cholesky(covariance / np.outer(size, size))
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    edges = [edge(rest, root @ [np.cos(angle), np.sin(angle)], rise) for angle in angles]
    x, y = np.array([each.place for each in edges]).T
    return Contour(rise, x, y, np.array([each.at_limit for each in edges]))
