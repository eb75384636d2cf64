"""Check that a search ended at a minimum, with gammapy's covariance and the statistic nearby."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.components.fitters.scaled import ScaledObjective

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

DISTANCE = 0.1  # of the test points along each principal axis of the covariance matrix, in sigma
EDM_MAX = 0.01  # in the statistic: corresponds to 0.1 sigma
CURVATURE_RANGE = (0.3, 3.0)  # relative to the curvature expected from the covariance
MIN_DECREASE = 1e-5  # in the statistic: smaller decreases away from a limit are ignored
# in units of the parameter steps, which may differ from the errors by orders of magnitude
INWARD_DISTANCES = np.logspace(-8, 2, 11)


@attrs.frozen(eq=False)
class MinimumCheck:
    """The result of the check of a point: its covariance, and whether it is a minimum.

    Parameters
    ----------
    covariance : numpy.ndarray
        The covariance of the scaled offsets, shape (n, n); NaN if it is not valid. A parameter at
        its limit has a variance, but no correlations.
    edm : float
        The estimated distance to the minimum, in the statistic; NaN if the covariance is not valid
        or disagrees with the statistic, or if the statistic decreases inwards from a limit.
    message : str
        The reason why the point is not a minimum; "" for a minimum.
    """

    covariance: Array
    edm: float
    message: str


def check_minimum(scaled: ScaledObjective, offsets: Array, hesse_strategy: int = 2) -> MinimumCheck:
    """Compute the covariance at a point, and check that the point is a minimum.

    gammapy does not report a failure of HESSE, Minuit modifies a matrix that is not positive
    definite, and the methods of scipy may report convergence away from a minimum. The statistic is
    therefore evaluated at 0.1 sigma on both sides along each principal axis of the covariance
    matrix. It must rise as expected from the covariance, and its slope must be small.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of scaled offsets.
    offsets : numpy.ndarray
        The scaled offsets of the point, shape (n,).
    hesse_strategy : int
        Minuit's strategy for HESSE.

    Returns
    -------
    MinimumCheck
        The covariance, the estimated distance to the minimum, and the message.
    """
    at_limit, _ = _find_limits(scaled, offsets)
    lower_point = search_inside_limits(scaled, offsets)
    if lower_point is not None:
        name = scaled.objective.names[int(np.argmax(np.abs(lower_point - offsets)))]
        message = f"stopped at the limit of {name}, where the statistic decreases inwards"
        return MinimumCheck(np.full((len(offsets),) * 2, np.nan), np.nan, message)
    covariance = np.full((len(offsets),) * 2, np.nan)
    if not at_limit.all():
        covariance[np.ix_(~at_limit, ~at_limit)] = _hesse(scaled, offsets, at_limit, hesse_strategy)
    for index in np.flatnonzero(at_limit).tolist():
        covariance[index, :] = covariance[:, index] = 0
        covariance[index, index] = _variance_at_limit(scaled, offsets, index)
    if not np.all(np.isfinite(covariance)) or np.any(np.diag(covariance) <= 0):
        no_covariance = np.full_like(covariance, np.nan)
        return MinimumCheck(no_covariance, np.nan, "the covariance is not valid")
    edm, message = _check_rise(scaled, offsets, covariance, at_limit)
    return MinimumCheck(covariance, edm, message)


def search_inside_limits(scaled: ScaledObjective, offsets: Array) -> Array | None:
    """Search for a point with a lower statistic, inwards from the limits that were reached.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of scaled offsets.
    offsets : numpy.ndarray
        The scaled offsets of the end of a search, shape (n,).

    Returns
    -------
    numpy.ndarray or None
        The lowest point, which differs in one offset, shape (n,); None if no point is lower.
    """
    lowest_stat, lowest_point = scaled.stat(offsets) - MIN_DECREASE, None
    at_limit, inward = _find_limits(scaled, offsets)
    for index in np.flatnonzero(at_limit).tolist():
        for distance in INWARD_DISTANCES:
            trial = offsets + distance * inward[index] * _unit_vector(len(offsets), index)
            trial_stat = scaled.stat(trial)
            if trial_stat < lowest_stat:
                lowest_stat, lowest_point = trial_stat, trial
    return lowest_point


def _find_limits(scaled: ScaledObjective, offsets: Array) -> tuple[Mask, Array]:
    """Find the parameters at a limit, and their inward directions.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of scaled offsets.
    offsets : numpy.ndarray
        The scaled offsets of the point, shape (n,).

    Returns
    -------
    tuple of numpy.ndarray
        Whether each parameter is at a limit, and the direction away from the limit, 1 or -1 (not
        meaningful for the other parameters); both of shape (n,).
    """
    low, high = scaled.limits.T
    return (offsets <= low) | (offsets >= high), np.where(offsets <= low, 1, -1)


def _hesse(scaled: ScaledObjective, offsets: Array, frozen: Mask, strategy: int) -> Array:
    """Return the covariance of the free parameters, from HESSE of gammapy's Minuit backend.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of scaled offsets.
    offsets : numpy.ndarray
        The scaled offsets of the point, shape (n,).
    frozen : numpy.ndarray of bool
        Mask of the parameters that are not free, shape (n,).
    strategy : int
        Minuit's strategy. Near a non-differentiable point HESSE depends on its first steps below
        strategy 2.

    Returns
    -------
    numpy.ndarray
        The covariance of the free parameters, shape (free, free).
    """
    from gammapy.modeling.fit import registry

    parameters = scaled.create_parameters(offsets, frozen)
    compute_covariance = registry.get("covariance", "minuit")
    matrix, _ = compute_covariance(
        parameters=parameters, function=scaled.create_function(parameters), strategy=strategy
    )
    return np.asarray(matrix, dtype=float)


def _variance_at_limit(scaled: ScaledObjective, offsets: Array, index: int) -> float:
    """Return the variance of a parameter at its limit, from the curvature inwards.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of scaled offsets.
    offsets : numpy.ndarray
        The scaled offsets of the point, shape (n,).
    index : int
        The index of the parameter.

    Returns
    -------
    float
        The variance; NaN if the curvature is not positive.
    """
    inward = _find_limits(scaled, offsets)[1][index]
    stat, stat_half, stat_one = (
        scaled.stat(offsets + step * inward * _unit_vector(len(offsets), index))
        for step in (0, 0.5, 1)
    )
    curvature = (stat - 2 * stat_half + stat_one) / 0.5**2
    return 2 / curvature if curvature > 0 else np.nan


def _check_rise(
    scaled: ScaledObjective, offsets: Array, covariance: Array, at_limit: Mask
) -> tuple[float, str]:
    """Check the rise of the statistic along the principal axes of the covariance matrix.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of scaled offsets.
    offsets : numpy.ndarray
        The scaled offsets of the point, shape (n,).
    covariance : numpy.ndarray
        The covariance of the scaled offsets, shape (n, n).
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
    stat, edm = scaled.stat(offsets), 0.0
    for variance, axis in zip(variances, axes.T, strict=True):
        error = np.zeros(len(offsets))
        error[free_indices] = np.sqrt(max(variance, 0)) * axis
        distance = _distance_within_limits(scaled, offsets, error)
        rise_up, rise_down = (
            scaled.stat(offsets + sign * distance * error) - stat for sign in (1, -1)
        )
        curvature = (rise_up + rise_down) / (2 * distance**2)
        edm += ((rise_up - rise_down) / (2 * distance)) ** 2 / 4
        if not CURVATURE_RANGE[0] < curvature < CURVATURE_RANGE[1]:
            name = scaled.objective.names[int(np.argmax(np.abs(error)))]
            return (
                np.nan,
                f"the statistic along {name} does not rise as expected from the covariance",
            )
    if edm > EDM_MAX:
        return edm, f"the statistic is about {edm:.2g} above its minimum"
    return edm, ""


def _distance_within_limits(scaled: ScaledObjective, offsets: Array, error: Array) -> float:
    """Return a distance along an axis that is within the limits on both sides.

    Parameters
    ----------
    scaled : ScaledObjective
        The objective, as a function of scaled offsets.
    offsets : numpy.ndarray
        The scaled offsets of the point, shape (n,).
    error : numpy.ndarray
        The error along the axis, as a vector of scaled offsets, shape (n,).

    Returns
    -------
    float
        The distance in units of `error`, at most `DISTANCE`.
    """
    low, high = scaled.limits.T
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.minimum(offsets - low, high - offsets) / np.abs(error)
    finite_distances = distances[(error != 0) & np.isfinite(distances)]
    return float(min(DISTANCE, 0.99 * finite_distances.min(initial=np.inf)))


def _unit_vector(length: int, index: int) -> Array:
    """Return the unit vector along an axis, shape (length,)."""
    vector = np.zeros(length)
    vector[index] = 1
    return vector
