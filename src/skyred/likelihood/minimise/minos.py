"""Asymmetric errors of all parameters, and new fits from lower values that their profiles find.

The method is that of MINOS (James & Roos 1975, Comput. Phys. Commun. 10, 343), which begins again
from a new minimum too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import numpy as np

from skyred.likelihood.minimise.conditional_fit import ConditionalFit
from skyred.likelihood.minimise.profile import interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult

    Array = NDArray[np.float64]

RESTARTS = 3  # from lower values, before a fit is given up


@attrs.frozen(eq=False)
class Intervals:
    """The asymmetric errors of all parameters, or where a profile was lower than the minimum.

    Parameters
    ----------
    errn, errp : array
        Errors downwards and upwards, both positive, shape (n,); NaN where there is none.
    lower : array or None
        The parameters where the statistic is lower, shape (n,); the errors are then not complete.
    """

    errn: Array
    errp: Array
    lower: Array | None = None


def add_asymmetric_errors(
    objective: Objective,
    result: FitResult,
    search: Callable[[Objective], FitResult],
    gain: float,
) -> FitResult:
    """Return a result with asymmetric errors, fitted again if a profile finds lower values.

    Parameters
    ----------
    objective : Objective
        The function that was minimised.
    result : FitResult
        Its minimum, with errors.
    search : callable
        Finds the minimum from the start of an objective.
    gain : float
        By how much the statistic must be lower for a new search.

    Returns
    -------
    FitResult
        With `errn` and `errp`; with notes on new searches and on errors that do not exist. Not a
        success if a new search fails, or profiles find lower values after each of several.
    """
    for restart in range(RESTARTS + 1):
        intervals = _intervals(objective, result, result.stat - gain)
        if intervals.lower is None:
            return _with_intervals(result, intervals)
        if restart == RESTARTS:
            break
        again = search(attrs.evolve(objective, start=intervals.lower))
        if not again.stat < result.stat - gain:  # lower with other IRFs only
            if objective.refresh is not None:
                objective.refresh(result.values)
            return _with_intervals(result, _intervals(objective, result, -np.inf))
        result = _restarted(result, again)
        if not result.success:
            return result
    message = f"MINOS found lower values after each of {RESTARTS} new fits"
    return attrs.evolve(result, success=False, message=message)


def _intervals(objective: Objective, result: FitResult, threshold: float) -> Intervals:
    """Find the errors of each parameter, but end where the statistic is below a threshold."""
    errn, errp = np.full((2, len(result.names)), np.nan)
    for place in range(len(result.names)):
        rest = ConditionalFit(objective, result, [place])
        errn[place], errp[place] = interval(objective, result, place, 1.0, rest)
        if rest.lowest.stat < threshold:
            return Intervals(errn, errp, rest.lowest.values)
    return Intervals(errn, errp)


def _restarted(first: FitResult, again: FitResult) -> FitResult:
    note = (
        f"MINOS found a lower minimum, by {first.stat - again.stat:.2g}: the fit began again from "
        "there"
    )
    notes = dict.fromkeys((*again.notes, *(n for n in first.notes if n.startswith("MINOS")), note))
    return attrs.evolve(again, notes=tuple(notes), nfev=first.nfev + again.nfev)


def _with_intervals(result: FitResult, intervals: Intervals) -> FitResult:
    missing = [
        f"{side} error of {name}"
        for name, *errors in zip(result.names, intervals.errn, intervals.errp, strict=True)
        for side, error in zip(("lower", "upper"), errors, strict=True)
        if not np.isfinite(error)
    ]
    notes = result.notes
    if missing:
        notes = (*notes, f"MINOS found no {', no '.join(missing)}: the statistic does not rise "
                         "by 1 before a limit")  # fmt: skip
    return attrs.evolve(result, errn=intervals.errn, errp=intervals.errp, notes=notes)
