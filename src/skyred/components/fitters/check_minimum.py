"""Whether a search ended at a minimum: gammapy's covariance there, and what lies around."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.components.fitters.scaled import Scaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

ASIDE = 0.1  # of an error: how far the statistic is looked at along each axis of the covariance
FARTHEST = 0.01  # that the minimum may be lower: a tenth of an error
FIRMNESS = (0.3, 3.0)  # the curvature there, in units of the covariance's
FALL = 1e-5  # in the statistic, by which it must fall inward: a limit holds what falls less
INWARD = np.logspace(-8, 2, 11)  # in steps, which may be no errors at all


@attrs.frozen(eq=False)
class Minimum:
    """A point, and whether it is a minimum.

    Parameters
    ----------
    covariance : array
        Of the factors, shape (n, n); NaN where there is none. A parameter at its limit has its own
        variance, and no correlation.
    edm : float
        Estimated distance to the minimum, in the statistic.
    message : str
        Why it is none; "" if it is.
    """

    covariance: Array
    edm: float
    message: str


def check_minimum(scaled: Scaled, factors: Array) -> Minimum:
    """Take the covariance at a point by gammapy's backend, and look whether it is a minimum.

    gammapy does not tell when HESSE failed, Minuit bends a matrix that is not positive until it is,
    and the methods of scipy say that they converged wherever they stop. So the statistic is looked
    at a tenth of an error to both sides along each axis of the covariance: it must rise there as
    the covariance says, and not be lower on one side.
    """
    held, _ = _at_limits(scaled, factors)
    inward = lower_point_inside_limits(scaled, factors)
    if inward is not None:
        name = scaled.objective.names[int(np.argmax(np.abs(inward - factors)))]
        why = f"stopped at the limit of {name}, where the statistic falls inward"
        return Minimum(np.full((len(factors),) * 2, np.nan), np.nan, why)
    covariance = np.full((len(factors),) * 2, np.nan)
    if not held.all():
        covariance[np.ix_(~held, ~held)] = _hesse(scaled, factors, held)
    for at in np.flatnonzero(held).tolist():
        covariance[at, ~held] = covariance[~held, at] = covariance[at, held] = 0
        covariance[at, at] = _own_variance(scaled, factors, at)
    if not np.all(np.isfinite(covariance)) or np.any(np.diag(covariance) <= 0):
        nothing = np.full_like(covariance, np.nan)
        return Minimum(nothing, np.nan, "there is no valid covariance")
    edm, message = _rises(scaled, factors, covariance, held)
    return Minimum(covariance, edm, message)


def lower_point_inside_limits(scaled: Scaled, factors: Array) -> Array | None:
    """Look inward from the limits that were reached; give the lowest place that is lower.

    Parameters
    ----------
    scaled : Scaled
        The objective over factors.
    factors : array
        Where a search ended, shape (n,).

    Returns
    -------
    array or None
        Factors that differ in one parameter; None if limits hold all that are at them.
    """
    lowest, best = scaled.stat(factors) - FALL, None
    at_limit, inward = _at_limits(scaled, factors)
    for at in np.flatnonzero(at_limit).tolist():
        for step in INWARD:
            trial = factors + step * inward[at] * _unit(len(factors), at)
            there = scaled.stat(trial)
            if there < lowest:
                lowest, best = there, trial
    return best


def _at_limits(scaled: Scaled, factors: Array) -> tuple[Mask, Array]:
    """Tell which parameters are at a limit, and on which side inward is, as 1 or -1."""
    low, high = scaled.limits.T
    return (factors <= low) | (factors >= high), np.where(factors <= low, 1, -1)


def _hesse(scaled: Scaled, factors: Array, held: Mask) -> Array:
    from gammapy.modeling.fit import registry

    parameters = scaled.parameters(factors, held)
    compute = registry.get("covariance", "minuit")
    # with the most care: across a kink of the likelihood HESSE depends on its first steps
    matrix, _ = compute(parameters=parameters, function=scaled.function(parameters), strategy=2)
    return np.asarray(matrix, dtype=float)


def _own_variance(scaled: Scaled, factors: Array, at: int) -> float:
    """Give the variance of one parameter at its limit, from the curvature further in."""
    inward = _at_limits(scaled, factors)[1][at]
    here, near, far = (
        scaled.stat(factors + step * inward * _unit(len(factors), at)) for step in (0, 0.5, 1)
    )
    curvature = (here - 2 * near + far) / 0.5**2
    return 2 / curvature if curvature > 0 else np.nan


def _rises(scaled: Scaled, factors: Array, covariance: Array, held: Mask) -> tuple[float, str]:
    free = np.flatnonzero(~held)
    sizes, axes = np.linalg.eigh(covariance[np.ix_(free, free)])
    here, edm = scaled.stat(factors), 0.0
    for size, axis in zip(sizes, axes.T, strict=True):
        error = np.zeros(len(factors))
        error[free] = np.sqrt(max(size, 0)) * axis
        aside = _room(scaled, factors, error)
        above, below = (scaled.stat(factors + way * aside * error) - here for way in (1, -1))
        firmness = (above + below) / (2 * aside**2)
        edm += ((above - below) / (2 * aside)) ** 2 / 4
        if not FIRMNESS[0] < firmness < FIRMNESS[1]:
            worst = scaled.objective.names[int(np.argmax(np.abs(error)))]
            return np.nan, f"the statistic does not rise as its covariance says, along {worst}"
    return edm, f"the minimum is about {edm:.2g} lower" if edm > FARTHEST else ""


def _room(scaled: Scaled, factors: Array, error: Array) -> float:
    """Give how far both ways lie within the limits, in errors."""
    low, high = scaled.limits.T
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.minimum(factors - low, high - factors) / np.abs(error)
    inside = room[(error != 0) & np.isfinite(room)]
    return float(min(ASIDE, 0.99 * inside.min(initial=np.inf)))


def _unit(length: int, at: int) -> Array:
    unit = np.zeros(length)
    unit[at] = 1
    return unit
