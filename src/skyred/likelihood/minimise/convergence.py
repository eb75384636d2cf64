"""Checks of a minimum: why a search failed, limits that were reached, profiles off a parabola."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from iminuit import Minuit
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

FARTHEST = 0.1  # in the statistic, that the minimum by HESSE may be lower
NEAR_LIMIT = 0.5  # of its error, by which Minuit too judges a parameter to be at its limit
ASYMMETRY = 0.05  # of an error, by which the two sides may differ from their mean
MEAN = 0.02  # by which the mean of both sides may differ from the error
SMALL_CORRELATION = 0.02  # below which a parameter is not moved with another


def why_not(minuit: Minuit) -> str:
    """Return why a search by MIGRAD is not valid."""
    verdict = minuit.fmin
    reasons = {
        "the limit on calls was reached; allow more with calls": verdict.has_reached_call_limit,
        "the estimated distance to the minimum is too large": verdict.is_above_max_edm,
        "parameters are at their limits": verdict.has_parameters_at_limit,
        "the covariance is not positive definite": not verdict.has_posdef_covar,
        "HESSE failed": verdict.hesse_failed,
    }
    causes = [reason for reason, holds in reasons.items() if holds]
    return "MIGRAD did not converge: " + ("; ".join(causes) or "no reason given")


def at_limit(objective: Objective, values: Array, errors: Array) -> list[str]:
    """Return the names of the parameters that are at one of their limits."""
    margin = NEAR_LIMIT * np.where(np.isfinite(errors), errors, np.abs(values))
    low, high = objective.limits.T
    touching = (values - low <= margin) | (high - values <= margin)
    return [name for name, touches in zip(objective.names, touching, strict=True) if touches]


def asymmetric(objective: Objective, values: Array, covariance: Array) -> list[str]:
    """Return the names of the parameters whose profile is no parabola over its errors.

    One error away from the minimum, along the line on which the other parameters are at their best
    in a parabola, the statistic must have risen by one on both sides.

    Parameters
    ----------
    objective : Objective
        The function that was minimised.
    values, covariance : array
        Its minimum, shape (n,), and covariance, shape (n, n).

    Returns
    -------
    list of str
        Names; parameters with a limit within their error are left out.
    """
    errors, lowest = np.sqrt(np.diag(covariance)), objective.total(values)
    names = []
    for place, name in enumerate(objective.names):
        line = covariance[:, place] / errors[place]
        line = np.where(np.abs(line) > SMALL_CORRELATION * errors, line, 0)
        ends = [values - line, values + line]
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
