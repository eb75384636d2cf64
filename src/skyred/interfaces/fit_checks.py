"""Checks of the results of fitters, so that a faulty fitter cannot report a wrong fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import ComponentError
from skyred.interfaces.records import FitResult

if TYPE_CHECKING:
    from skyred.interfaces.fitter import Fitter
    from skyred.interfaces.objective import Objective

STAT_TOLERANCE = 1e-3  # of the statistic, 0.03 standard deviations of a parameter
RELATIVE_TOLERANCE = 1e-8  # of large statistics, for rounding


def run_fitter(fitter: Fitter, objective: Objective) -> FitResult:
    """Run a fitter, and check its result.

    Parameters
    ----------
    fitter : Fitter
        The fitter.
    objective : Objective
        The objective.

    Returns
    -------
    FitResult
        The result.

    Raises
    ------
    ComponentError
        If the result is not one of this objective, or claims a success that it does not have.
    """
    result: Any = fitter.fit(objective)
    if faults := list(_find_faults(objective, result)):
        raise ComponentError(f"the fitter {fitter.kind!r} returned {'; '.join(faults)}")
    return result  # type: ignore[no-any-return]


def _find_faults(objective: Objective, result: Any) -> Iterator[str]:
    if not isinstance(result, FitResult):
        yield f"{type(result).__name__}, not a FitResult"
        return
    if result.names != objective.names:
        yield f"the parameters {result.names}, not {objective.names}, those of the objective"
        return
    faults = list(_find_wrong_shapes(result))
    yield from faults
    if not faults and result.success:
        yield from _find_wrong_success(objective, result)


def _find_wrong_shapes(result: FitResult) -> Iterator[str]:
    n = len(result.names)
    for name, shape in (("values", (n,)), ("errors", (n,)), ("covariance", (n, n))):
        values = getattr(result, name)
        if values.shape != shape:
            yield f"{name} with the shape {values.shape}; expected {shape}"


def _find_wrong_success(objective: Objective, result: FitResult) -> Iterator[str]:
    """Find values and errors that a successful fit cannot have."""
    values = result.values
    if not (np.isfinite(values).all() and np.isfinite(result.stat)):
        yield "success, but values or a statistic that are not finite"
        return
    low, high = objective.limits.T
    if outside := _list_names(result, (values < low) | (values > high)):
        yield f"success, but {outside} outside the limits"
        return
    stat = objective.total(values)
    if abs(stat - result.stat) > STAT_TOLERANCE + RELATIVE_TOLERANCE * abs(stat):
        yield (
            f"the statistic {result.stat:.6g}, but the objective is {stat:.6g} at the returned "
            "values"
        )
    if invalid := _list_names(result, ~np.isfinite(result.errors) & _has_error(objective, result)):
        yield f"success, but no finite error of {invalid}"


def _has_error(objective: Objective, result: FitResult) -> Any:
    """Return whether a parameter must have an error, shape (n,).

    Parameters at a limit, those that the likelihood does not constrain, and the positions and sizes
    of sources for which the statistic is not smooth may have none.
    """
    exempt = {*result.at_limit, *result.unconstrained}
    is_exempt = np.array([name in exempt for name in result.names], dtype=bool)
    for grid in objective.grids:
        is_exempt[grid.indices] = True
    for source in objective.sharp(result.values) if objective.sharp else ():
        is_exempt[source.indices] = True
    return ~is_exempt


def _list_names(result: FitResult, mask: Any) -> str:
    return ", ".join(name for name, selected in zip(result.names, mask, strict=True) if selected)
