"""Check that a search ended at a minimum: gammapy's covariance, and the statistic nearby."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.components.fitters.scaled import ScaledObjective

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

OFFSET = 0.1  # distance of the checked points along each axis of the covariance, in errors
EDM_MAX = 0.01  # in the statistic: corresponds to a tenth of an error
CURVATURE_RANGE = (0.3, 3.0)  # relative to the curvature expected from the covariance
MIN_DECREASE = 1e-5  # in the statistic: smaller decreases away from a limit are ignored
INWARD_STEPS = np.logspace(-8, 2, 11)  # a wide range, since steps may differ from the errors


@attrs.frozen(eq=False)
class Minimum:
    """The covariance at a point, and whether the point is a minimum.

    Parameters
    ----------
    covariance : numpy.ndarray
        The covariance of the factors, shape (n, n); NaN if it is not valid. A parameter at its
        limit has a variance, but no correlations.
    edm : float
        The estimated distance to the minimum, in the statistic; NaN if the covariance is not valid
        or disagrees with the statistic, or if the statistic decreases inwards from a limit.
    message : str
        The reason why the point is not a minimum; "" for a minimum.
    """

    covariance: Array
    edm: float
    message: str


def check_minimum(scaled: ScaledObjective, factors: Array) -> Minimum:
    """Compute the covariance at a point, and check that the point is a minimum.

    gammapy does not report a failure of HESSE, Minuit modifies a matrix that is not positive
    definite, and the methods of scipy may report convergence away from a minimum. The statistic is
    therefore evaluated at a tenth of an error on both sides along each axis of the covariance. It
    must rise as expected from the covariance, and its slope must be small.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of factors.
    factors : numpy.ndarray
        The point, shape (n,).

    Returns
    -------
    Minimum
        The covariance, the estimated distance to the minimum, and the message.
    """
    at_limit, _ = _find_limits(scaled, factors)
    lower_point = search_inside_limits(scaled, factors)
    if lower_point is not None:
        name = scaled.objective.names[int(np.argmax(np.abs(lower_point - factors)))]
        message = f"stopped at the limit of {name}, where the statistic decreases inwards"
        return Minimum(np.full((len(factors),) * 2, np.nan), np.nan, message)
    covariance = np.full((len(factors),) * 2, np.nan)
    if not at_limit.all():
        covariance[np.ix_(~at_limit, ~at_limit)] = _hesse(scaled, factors, at_limit)
    for index in np.flatnonzero(at_limit).tolist():
        covariance[index, :] = covariance[:, index] = 0
        covariance[index, index] = _variance_at_limit(scaled, factors, index)
    if not np.all(np.isfinite(covariance)) or np.any(np.diag(covariance) <= 0):
        no_covariance = np.full_like(covariance, np.nan)
        return Minimum(no_covariance, np.nan, "the covariance is not valid")
    edm, message = _check_rise(scaled, factors, covariance, at_limit)
    return Minimum(covariance, edm, message)


def search_inside_limits(scaled: ScaledObjective, factors: Array) -> Array | None:
    """Search for a point with a lower statistic, inwards from the limits that were reached.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of factors.
    factors : numpy.ndarray
        The end of a search, shape (n,).

    Returns
    -------
    numpy.ndarray or None
        The lowest point, which differs in one factor, shape (n,); None if no point is lower.
    """
    lowest_stat, lowest_point = scaled.stat(factors) - MIN_DECREASE, None
    at_limit, inward = _find_limits(scaled, factors)
    for index in np.flatnonzero(at_limit).tolist():
        for step in INWARD_STEPS:
            trial = factors + step * inward[index] * _unit_vector(len(factors), index)
            trial_stat = scaled.stat(trial)
            if trial_stat < lowest_stat:
                lowest_stat, lowest_point = trial_stat, trial
    return lowest_point


def _find_limits(scaled: ScaledObjective, factors: Array) -> tuple[Mask, Array]:
    """Find the parameters at a limit, and their inward directions.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of factors.
    factors : numpy.ndarray
        The point, shape (n,).

    Returns
    -------
    tuple of numpy.ndarray
        Whether each parameter is at a limit, and the direction away from the limit, 1 or -1 (not
        meaningful for the other parameters); both of shape (n,).
    """
    low, high = scaled.limits.T
    return (factors <= low) | (factors >= high), np.where(factors <= low, 1, -1)


def _hesse(scaled: ScaledObjective, factors: Array, frozen: Mask) -> Array:
    """Return the covariance of the free parameters, from HESSE of gammapy's Minuit backend.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of factors.
    factors : numpy.ndarray
        The point, shape (n,).
    frozen : numpy.ndarray of bool
        Mask of the parameters that are not free, shape (n,).

    Returns
    -------
    numpy.ndarray
        The covariance of the free parameters, shape (free, free).
    """
    from gammapy.modeling.fit import registry

    parameters = scaled.create_parameters(factors, frozen)
    compute_covariance = registry.get("covariance", "minuit")
    # strategy 2, since near a non-differentiable point HESSE depends on its first steps
    matrix, _ = compute_covariance(
        parameters=parameters, function=scaled.create_function(parameters), strategy=2
    )
    return np.asarray(matrix, dtype=float)


def _variance_at_limit(scaled: ScaledObjective, factors: Array, index: int) -> float:
    """Return the variance of a parameter at its limit, from the curvature inwards.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of factors.
    factors : numpy.ndarray
        The point, shape (n,).
    index : int
        The index of the parameter.

    Returns
    -------
    float
        The variance; NaN if the curvature is not positive.
    """
    inward = _find_limits(scaled, factors)[1][index]
    stat, stat_half, stat_one = (
        scaled.stat(factors + step * inward * _unit_vector(len(factors), index))
        for step in (0, 0.5, 1)
    )
    curvature = (stat - 2 * stat_half + stat_one) / 0.5**2
    return 2 / curvature if curvature > 0 else np.nan


def _check_rise(
    scaled: ScaledObjective, factors: Array, covariance: Array, at_limit: Mask
) -> tuple[float, str]:
    """Check the rise of the statistic along the axes of the covariance.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of factors.
    factors : numpy.ndarray
        The point, shape (n,).
    covariance : numpy.ndarray
        The covariance of the factors, shape (n, n).
    at_limit : numpy.ndarray of bool
        Mask of the parameters at a limit, shape (n,).

    Returns
    -------
    tuple of float and str
        The estimated distance to the minimum, in the statistic (NaN if the statistic does not rise
        as expected), and the reason why the point is not a minimum; "" for a minimum.
    """
    free_indices = np.flatnonzero(~at_limit)
    variances, axes = np.linalg.eigh(covariance[np.ix_(free_indices, free_indices)])
    stat, edm = scaled.stat(factors), 0.0
    for variance, axis in zip(variances, axes.T, strict=True):
        error = np.zeros(len(factors))
        error[free_indices] = np.sqrt(max(variance, 0)) * axis
        offset = _offset_within_limits(scaled, factors, error)
        rise_up, rise_down = (
            scaled.stat(factors + sign * offset * error) - stat for sign in (1, -1)
        )
        curvature = (rise_up + rise_down) / (2 * offset**2)
        edm += ((rise_up - rise_down) / (2 * offset)) ** 2 / 4
        if not CURVATURE_RANGE[0] < curvature < CURVATURE_RANGE[1]:
            name = scaled.objective.names[int(np.argmax(np.abs(error)))]
            return (
                np.nan,
                f"the statistic along {name} does not rise as expected from the covariance",
            )
    if edm > EDM_MAX:
        return edm, f"the statistic is about {edm:.2g} above its minimum"
    return edm, ""


def _offset_within_limits(scaled: ScaledObjective, factors: Array, error: Array) -> float:
    """Return an offset along an axis that is within the limits on both sides.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of factors.
    factors : numpy.ndarray
        The point, shape (n,).
    error : numpy.ndarray
        The error along the axis, as a vector of factors, shape (n,).

    Returns
    -------
    float
        The offset in units of `error`, at most `OFFSET`.
    """
    low, high = scaled.limits.T
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.minimum(factors - low, high - factors) / np.abs(error)
    finite_distances = distances[(error != 0) & np.isfinite(distances)]
    return float(min(OFFSET, 0.99 * finite_distances.min(initial=np.inf)))


def _unit_vector(length: int, index: int) -> Array:
    """Return the unit vector along an axis, shape (length,)."""
    vector = np.zeros(length)
    vector[index] = 1
    return vector
