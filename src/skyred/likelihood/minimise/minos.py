"""Asymmetric errors of all parameters, and new fits if a profile falls below the minimum.

The method is that of MINOS (James & Roos 1975, Comput. Phys. Commun. 10, 343), which also restarts
from a new minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional_fit import ConditionalFit
from skyred.likelihood.minimise.profile import asymmetric_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult

    Array = NDArray[np.float64]

RESTARTS = 3  # maximum number of new fits from lower points


@attrs.frozen(eq=False)
class AsymmetricErrors:
    """The asymmetric errors of all parameters, or a point with a lower statistic.

    Parameters
    ----------
    errn, errp : array
        Lower and upper errors, both positive, shape (n,); NaN if the statistic does not rise
        enough within the parameter limits.
    lower_point : array or None
        Parameters at a point with a lower statistic, shape (n,); the errors are then incomplete.
    """

    errn: Array
    errp: Array
    lower_point: Array | None = None


def add_asymmetric_errors(
    objective: Objective,
    result: FitResult,
    search: Callable[[Objective], FitResult],
    min_gain: float,
    n_sigma: float = 1.0,
    patterns: Sequence[str] = ("*",),
) -> FitResult:
    """Add asymmetric errors to a fit result, and fit again if a profile falls below the minimum.

    Parameters
    ----------
    objective : Objective
        The objective that was minimised.
    result : FitResult
        The minimum, with errors.
    search : callable
        Function that minimises an objective, from its starting values.
    min_gain : float
        Minimum decrease of the statistic for a new fit.
    n_sigma : float
        The confidence level of the errors, in standard deviations.
    patterns : sequence of str
        Names of the parameters, with wildcards; those of other parameters are NaN.

    Returns
    -------
    FitResult
        The result with `errn` and `errp`, and with notes on new fits and missing errors. `success`
        is false if a new fit fails, or if profiles still fall below the minimum after `RESTARTS`
        fits.
    """
    compute_errors = partial(_compute_errors, objective, n_sigma=n_sigma, patterns=patterns)
    for restart in range(RESTARTS + 1):
        errors = compute_errors(result, result.stat - min_gain)
        if errors.lower_point is None:
            return _add_errors(result, errors, n_sigma, patterns)
        if restart == RESTARTS:
            break
        new_result = search(attrs.evolve(objective, start=errors.lower_point))
        # the point may be lower only with the IRFs of the previous minimum
        if not new_result.stat < result.stat - min_gain:
            if objective.refresh is not None:
                objective.refresh(result.values)
            errors = compute_errors(result, -np.inf)
            return _add_errors(result, errors, n_sigma, patterns)
        result = _add_restart_note(result, new_result)
        if not result.success:
            return result
    message = f"not converged: MINOS still finds lower values after {RESTARTS} new fits"
    return attrs.evolve(result, success=False, message=message)


def _compute_errors(
    objective: Objective,
    result: FitResult,
    threshold: float,
    n_sigma: float,
    patterns: Sequence[str],
) -> AsymmetricErrors:
    """Compute the errors of each parameter, unless the statistic falls below a threshold.

    Parameters
    ----------
    objective : Objective
        The objective that was minimised.
    result : FitResult
        The minimum, with errors.
    threshold : float
        The computation ends if the statistic falls below this value.
    n_sigma : float
        The confidence level, in standard deviations.
    patterns : sequence of str
        Names of the parameters, with wildcards.

    Returns
    -------
    AsymmetricErrors
        The errors, or the point below the threshold.
    """
    errn, errp = np.full((2, len(result.names)), np.nan)
    for index in select_parameters(result.names, patterns):
        conditional_fit = ConditionalFit(objective, result, [index])
        errn[index], errp[index] = asymmetric_errors(
            objective, result, index, n_sigma, conditional_fit
        )
        if conditional_fit.lowest.stat < threshold:
            return AsymmetricErrors(errn, errp, conditional_fit.lowest.values)
    return AsymmetricErrors(errn, errp)


def _add_restart_note(previous_result: FitResult, new_result: FitResult) -> FitResult:
    note = (
        f"MINOS found a minimum that is lower by {previous_result.stat - new_result.stat:.2g}: the "
        "fit was restarted from there"
    )
    notes = dict.fromkeys(
        (
            *new_result.notes,
            *(note for note in previous_result.notes if note.startswith("MINOS")),
            note,
        )
    )
    return attrs.evolve(new_result, notes=tuple(notes), nfev=previous_result.nfev + new_result.nfev)


def select_parameters(names: Sequence[str], patterns: Sequence[str]) -> list[int]:
    """Return the indices of the parameters that match at least one pattern.

    Parameters
    ----------
    names : sequence of str
        The names of the parameters.
    patterns : sequence of str
        Names with wildcards, such as ``crab.*``.

    Returns
    -------
    list of int
        The indices, in order.
    """
    return [
        index
        for index, name in enumerate(names)
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]


def _add_errors(
    result: FitResult, errors: AsymmetricErrors, n_sigma: float, patterns: Sequence[str]
) -> FitResult:
    indices = select_parameters(result.names, patterns)
    missing = [
        f"{side} error of {result.names[index]}"
        for index in indices
        for side, error in (("lower", errors.errn[index]), ("upper", errors.errp[index]))
        if not np.isfinite(error)
    ]
    notes = result.notes
    if missing:
        notes = (*notes, f"MINOS found no {', no '.join(missing)}: the statistic does not rise "
                         f"by {n_sigma**2:g} within the parameter limits")  # fmt: skip
    if unknown := [name for name in patterns if not select_parameters(result.names, [name])]:
        notes = (*notes, f"no asymmetric errors for {', '.join(unknown)}: no free parameter has "
                         "this name")  # fmt: skip
    return attrs.evolve(result, errn=errors.errn, errp=errors.errp, notes=notes, n_sigma=n_sigma)
