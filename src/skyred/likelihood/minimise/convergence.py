"""Checks of a minimum: failures of MIGRAD, parameters at limits, non-parabolic profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from iminuit import Minuit
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

FARTHEST = 0.1  # in the statistic: largest distance to the minimum that HESSE may estimate
NEAR_LIMIT = 0.5  # of its error, as in Minuit: a parameter closer to a limit counts as at its limit
ASYMMETRY = 0.05  # of an error: largest difference of the two sides from their mean
MEAN = 0.02  # relative: largest difference of the mean of both sides from the error
NEGLECTED = 0.1  # of the rise of the statistic, if costly parameters stay at the minimum


def failure_reason(minuit: Minuit) -> str:
    """Return the reason why a search by MIGRAD is not valid.

    Parameters
    ----------
    minuit : iminuit.Minuit
        Minuit after the search.

    Returns
    -------
    str
        The message, with all conditions that Minuit reports.
    """
    status = minuit.fmin
    reasons = {
        "the limit on calls was reached; allow more with calls": status.has_reached_call_limit,
        "the estimated distance to the minimum is too large": status.is_above_max_edm,
        "parameters are at their limits": status.has_parameters_at_limit,
        "the covariance is not positive definite": not status.has_posdef_covar,
        "HESSE failed": status.hesse_failed,
    }
    failures = [reason for reason, applies in reasons.items() if applies]
    return "MIGRAD did not converge: " + ("; ".join(failures) or "no reason given")


def at_limit(objective: Objective, values: Array, errors: Array) -> list[str]:
    """Return the names of the parameters that are at one of their limits.

    Parameters
    ----------
    objective : Objective
        The objective that was minimised.
    values, errors : array
        Its minimum and the errors, shape (n,).

    Returns
    -------
    list of str
        Names of the parameters that are closer to a limit than half of their error.
    """
    margin = NEAR_LIMIT * np.where(np.isfinite(errors), errors, np.abs(values))
    low, high = objective.limits.T
    is_at_limit = (values - low <= margin) | (high - values <= margin)
    return [name for name, at_end in zip(objective.names, is_at_limit, strict=True) if at_end]


def asymmetric(objective: Objective, values: Array, covariance: Array) -> list[str]:
    """Return the names of the parameters with a non-parabolic profile.

    One error away from the minimum, along the line on which a parabola has its other parameters
    fitted, the statistic must rise by one on both sides. Costly parameters with a weak correlation
    stay at the minimum, and the parabola rises a little more: a shifted position costs a
    convolution.

    Parameters
    ----------
    objective : Objective
        The objective that was minimised.
    values, covariance : array
        Its minimum, shape (n,), and covariance, shape (n, n).

    Returns
    -------
    list of str
        Names, without the parameters that have a limit within their error.
    """
    errors, lowest = np.sqrt(np.diag(covariance)), objective.total(values)
    correlation = covariance / np.outer(errors, errors)
    curvature = np.linalg.pinv(correlation, hermitian=True)
    costly = np.zeros(len(values), dtype=bool) if objective.costly is None else objective.costly
    names = []
    for index, name in enumerate(objective.names):
        shift, expected = _line(correlation[index], curvature, costly)
        shift *= errors
        ends = [values - shift, values + shift]
        low, high = objective.limits.T
        if any(np.any((end < low) | (end > high)) for end in ends):
            continue
        rises = np.array([objective.total(end) - lowest for end in ends])
        if not np.all(rises > 0):
            names.append(name)
            continue
        sides = np.sqrt(expected / rises)  # in errors, to first order
        if abs(sides[1] - sides[0]) > 2 * ASYMMETRY or abs(sides.mean() - 1) > MEAN:
            names.append(name)
    return names


def _line(correlations: Array, curvature: Array, costly: NDArray[np.bool_]) -> tuple[Array, float]:
    """Return a shift by one error of a parameter, and the rise of a parabola along it.

    Parameters
    ----------
    correlations : array
        Correlations with all parameters, shape (n,).
    curvature : array
        The inverse of the correlation matrix, shape (n, n).
    costly : array of bool
        Parameters that are costly to change, shape (n,).

    Returns
    -------
    shift : array
        The shift in errors, shape (n,), with as many zeros of costly parameters as possible.
    rise : float
        The rise of the parabola, between 1 and 1 + NEGLECTED.
    """
    order = np.flatnonzero(costly)
    order = order[np.argsort(np.abs(correlations[order]))]
    ordered = correlations[order]
    cross = np.tril(curvature[np.ix_(order, order)] * np.outer(ordered, ordered))
    rises = np.cumsum(2 * cross.sum(axis=1) - np.diag(cross))  # without the first ones
    n_neglected = int(np.searchsorted(np.maximum.accumulate(rises), NEGLECTED))
    shift = correlations.copy()
    shift[order[:n_neglected]] = 0
    return shift, float(shift @ curvature @ shift)
