"""Minimum of a convex function of a norm, which may be non-differentiable or partly constant."""

from __future__ import annotations

from typing import Protocol

import attrs
import numpy as np

MAX_STEPS = 300
EXPANSION = 4.0  # factor between steps of the search for a bracket
MAX_DISTANCE = 1e60  # largest distance from the start, in units of the scale
EXPANSION_WHERE_CONSTANT = 1e10  # the additional factor where the function is constant
ACCURACY = 1e-7  # in sigma: a Newton step shorter than this ends the search
MIN_GAIN = 1e-6  # in the statistic: slopes with a smaller expected gain are rounding errors
ROUNDING = 1e-14  # smallest width of a bracket, relative to its ends


class ConvexFunction(Protocol):
    """A convex function of a norm, with its derivatives."""

    @property
    def scale(self) -> float:
        """Order of magnitude of a step that changes the function noticeably."""
        ...

    @property
    def domain(self) -> tuple[float, float]:
        """Ends of the open interval in which the function is convex."""
        ...

    def derivatives(self, norm: float) -> tuple[float, float]:
        """Return the first and second derivative.

        Parameters
        ----------
        norm : float
            The norm.

        Returns
        -------
        first : float
            The first derivative.
        second : float
            The second derivative.
        """
        ...


@attrs.frozen
class Minimum:
    """A minimum of a convex function.

    Parameters
    ----------
    norm : float
        The norm at the minimum.
    curvature : float
        The second derivative; zero at a discontinuity of the first derivative.
    unbounded : bool
        Whether all lower norms have the same statistic.
    """

    norm: float
    curvature: float
    unbounded: bool = False


def find_minimum(
    function: ConvexFunction, start: float, low: float = -np.inf, high: float = np.inf
) -> Minimum | None:
    """Find the minimum of a convex function between limits.

    Parameters
    ----------
    function : ConvexFunction
        The function.
    start : float
        Start of the search.
    low, high : float
        Lower and upper limit of the norm.

    Returns
    -------
    Minimum or None
        The minimum; None if the function is not bounded from below, or does not depend on the norm.
    """
    domain_low, domain_high = function.domain
    if max(domain_low, low) >= min(domain_high, high):  # no norm of the domain is within the limits
        domain_low, domain_high = -np.inf, np.inf
    search = BracketSearch(function, low, high, domain_low, domain_high)
    right = search.find_end(search.clip(start), 1)
    if right is None:
        return None
    if isinstance(right, Minimum):
        return right
    left = search.find_end(right, -1)
    if left is None:
        return Minimum(search.last_norm, 0.0, unbounded=True)
    if isinstance(left, Minimum):
        return left
    return _minimise_in_bracket(function, left, right, start)


@attrs.define
class BracketSearch:
    """Search for a bracket of the minimum.

    Parameters
    ----------
    function : ConvexFunction
        The function.
    low, high : float
        Limits of the norm.
    domain_low, domain_high : float
        Ends of the domain; at a finite end, the function rises towards infinity.
    last_norm : float
        The norm that was evaluated last.
    """

    function: ConvexFunction
    low: float
    high: float
    domain_low: float
    domain_high: float
    last_norm: float = np.nan

    def clip(self, start: float) -> float:
        """Return the start, or another norm if the start is outside the limits or the domain.

        Parameters
        ----------
        start : float
            Start of the search.

        Returns
        -------
        float
            A norm within limits and domain.
        """
        low, high = max(self.low, self.domain_low), min(self.high, self.domain_high)
        if low < start < high:
            return start
        if np.isfinite(low) and np.isfinite(high):
            return 0.5 * (low + high)
        scale = self.function.scale
        return low + max(scale, 1e-3 * abs(low)) if np.isfinite(low) else high - scale

    def find_end(self, norm: float, side: int) -> float | Minimum | None:
        """Find a norm on one side of the minimum.

        Parameters
        ----------
        norm : float
            Start of the search.
        side : {-1, 1}
            Direction of the search.

        Returns
        -------
        float, Minimum or None
            A norm at which the function rises in this direction, or the end of the domain; the
            minimum if it is at a limit; None if the function does not rise.
        """
        if side > 0:
            limit, domain_end = self.high, self.domain_high
        else:
            limit, domain_end = self.low, self.domain_low
        width = self.function.scale
        for _ in range(MAX_STEPS):
            self.last_norm = norm
            if side * norm >= side * domain_end:
                return domain_end
            slope, curvature = self.function.derivatives(norm)
            if side * slope > 0:
                return norm
            if norm == limit:
                return Minimum(norm, curvature) if slope or curvature else None
            if not slope and not curvature:
                width *= EXPANSION_WHERE_CONSTANT
            norm += side * max(width, 1e-3 * abs(norm))
            norm = min(norm, limit, domain_end) if side > 0 else max(norm, limit, domain_end)
            width *= EXPANSION
            if width > MAX_DISTANCE * self.function.scale:
                break
        return None


def _minimise_in_bracket(
    function: ConvexFunction, left: float, right: float, start: float
) -> Minimum:
    """Find the minimum in a bracket by Newton steps, and by bisection if they fail."""
    norm = start if left < start < right else 0.5 * (left + right)
    previous_width = right - left
    slope, curvature = function.derivatives(norm)
    for _ in range(MAX_STEPS):
        left, right = (left, norm) if slope > 0 else (norm, right)
        step = -slope / curvature if curvature > 0 else np.inf
        if abs(step) < ACCURACY * np.sqrt(2 / curvature) if curvature > 0 else slope == 0:
            return Minimum(norm + step if left < norm + step < right else norm, curvature)
        if right - left <= ROUNDING * max(abs(left), abs(right), function.scale):
            break
        if not left < norm + step < right or abs(step) > 0.5 * previous_width:
            step = 0.5 * (left + right) - norm
        previous_width, norm = abs(step), norm + step
        slope, curvature = function.derivatives(norm)
    if curvature > 0 and slope**2 < 2 * MIN_GAIN * curvature:
        return Minimum(norm, curvature)
    # the derivative is discontinuous; for bins without counts, this is at norm zero
    return Minimum(0.0 if left <= 0 <= right else norm, 0.0)
