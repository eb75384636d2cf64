"""Checks of a minimum: failures of MIGRAD, parameters at limits, non-parabolic profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from iminuit import Minuit
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

MAX_EDM = 0.1  # largest estimated distance to the minimum after HESSE
LIMIT_MARGIN = 0.5  # in sigma, as in Minuit: a parameter this close to a limit is at its limit
# largest difference between an asymmetric error and the mean of the two, in units of the error
MAX_ASYMMETRY = 0.05
# largest difference between the mean of the asymmetric errors and the error, in units of the error
MAX_MEAN_DIFFERENCE = 0.02
# largest increase above 1 of the rise of a parabola if costly parameters are kept at the minimum
MAX_ADDED_RISE = 0.1


def failure_reason(minuit: Minuit) -> str:
    """Return the reason why a MIGRAD search is not valid.

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
    is_failure_by_reason = {
        "the limit on calls was reached; increase calls": status.has_reached_call_limit,
        "the estimated distance to the minimum is too large": status.is_above_max_edm,
        "parameters are at their limits": status.has_parameters_at_limit,
        "the covariance is not positive definite": not status.has_posdef_covar,
        "HESSE failed": status.hesse_failed,
    }
    failures = [reason for reason, is_failure in is_failure_by_reason.items() if is_failure]
    return "MIGRAD did not converge: " + ("; ".join(failures) or "no reason given")


def parameters_at_limit(objective: Objective, values: Array, errors: Array) -> list[str]:
    """Return the names of the parameters that are at one of their limits.

    Parameters
    ----------
    objective : Objective
        The objective that was minimised.
    values, errors : array
        The minimum and the errors, shape (n,).

    Returns
    -------
    list of str
        Names of the parameters that are closer to a limit than half of their error, or half of
        their value if they have no error.
    """
    margin = LIMIT_MARGIN * np.where(np.isfinite(errors), errors, np.abs(values))
    low, high = objective.limits.T
    is_at_limit = (values - low <= margin) | (high - values <= margin)
    return [name for name, at_limit in zip(objective.names, is_at_limit, strict=True) if at_limit]


def parameters_with_asymmetric_errors(
    objective: Objective, values: Array, covariance: Array
) -> list[str]:
    """Return the names of the parameters with a non-parabolic profile.

    A parameter is shifted by one error in both directions, and the other parameters to their
    minimum according to the covariance. If the profile is parabolic, the statistic rises by one.
    Weakly correlated parameters that are costly to change, such as positions of extended sources,
    are kept at the minimum. The expected rise is then slightly larger.

    Parameters
    ----------
    objective : Objective
        The objective that was minimised.
    values, covariance : array
        The minimum, shape (n,), and its covariance, shape (n, n).

    Returns
    -------
    list of str
        Names; a parameter is not checked if one of the shifts exceeds a limit.
    """
    errors, lowest = np.sqrt(np.diag(covariance)), objective.total(values)
    correlation = covariance / np.outer(errors, errors)
    curvature = np.linalg.pinv(correlation, hermitian=True)
    costly = np.zeros(len(values), dtype=bool) if objective.costly is None else objective.costly
    names = []
    for index, name in enumerate(objective.names):
        shift, expected = _shift_by_one_error(correlation[index], curvature, costly)
        shift *= errors
        ends = [values - shift, values + shift]
        low, high = objective.limits.T
        if any(np.any((end < low) | (end > high)) for end in ends):
            continue
        rises = np.array([objective.total(end) - lowest for end in ends])
        if not np.all(rises > 0):
            names.append(name)
            continue
        asymmetric_errors = np.sqrt(expected / rises)  # in units of the error
        if (
            abs(np.diff(asymmetric_errors)[0]) > 2 * MAX_ASYMMETRY
            or abs(asymmetric_errors.mean() - 1) > MAX_MEAN_DIFFERENCE
        ):
            names.append(name)
    return names


def _shift_by_one_error(
    correlations: Array, curvature: Array, costly: NDArray[np.bool_]
) -> tuple[Array, float]:
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
        The shift in sigma, shape (n,), zero for as many costly parameters as possible.
    rise : float
        The rise of the parabola, between 1 and 1 + MAX_ADDED_RISE.
    """
    order = np.flatnonzero(costly)
    order = order[np.argsort(np.abs(correlations[order]))]
    ordered = correlations[order]
    cross = np.tril(curvature[np.ix_(order, order)] * np.outer(ordered, ordered))
    # increase of the rise above 1 if the shifts of the first 1, 2, ... of these parameters are set
    # to zero
    added_rises = np.cumsum(2 * cross.sum(axis=1) - np.diag(cross))
    n_kept = int(np.searchsorted(np.maximum.accumulate(added_rises), MAX_ADDED_RISE))
    shift = correlations.copy()
    shift[order[:n_kept]] = 0
    return shift, float(shift @ curvature @ shift)
