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
SMALL_CORRELATION = 0.02  # parameters with a smaller correlation are not shifted together


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
    fitted, the statistic must rise by one on both sides.

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
    names = []
    for index, name in enumerate(objective.names):
        shift = covariance[:, index] / errors[index]
        shift = np.where(np.abs(shift) > SMALL_CORRELATION * errors, shift, 0)
        ends = [values - shift, values + shift]
        low, high = objective.limits.T
        if any(np.any((end < low) | (end > high)) for end in ends):
            continue
        rises = np.array([objective.total(end) - lowest for end in ends])
        if not np.all(rises > 0):
            names.append(name)
            continue
        sides = 1 / np.sqrt(rises)  # in errors, to first order
        if abs(sides[1] - sides[0]) > 2 * ASYMMETRY or abs(sides.mean() - 1) > MEAN:
            names.append(name)
    return names
