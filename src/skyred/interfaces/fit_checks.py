"""Checks of the results of fitters, so that a faulty fitter cannot report a wrong fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import ComponentError
from skyred.interfaces.records import FitResult

if TYPE_CHECKING:
    from skyred.interfaces.fitter import Fitter
    from skyred.interfaces.objective import Objective

STAT_TOLERANCE = 1e-3  # of the statistic, 0.03 standard deviations of a parameter
DECREASE_MAX = 0.01  # of the statistic, at other points than a minimum
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
        The result. Its `success` is False, with a note, if the statistic is lower at the start of
        the fit or a Newton step away from the returned values.

    Raises
    ------
    ComponentError
        If the result is not one of this objective, or claims a success that it does not have.
    """
    result = fitter.fit(objective)
    if faults := list(_find_faults(objective, result)):
        raise ComponentError(f"the fitter {fitter.kind!r} returned {'; '.join(faults)}")
    if result.success and (decrease := _find_decrease(objective, result)):
        message = (
            f"the fitter {fitter.kind!r} reported success, but the statistic is lower by "
            f"{decrease:.3g} nearby or at the start"
        )
        return attrs.evolve(result, success=False, message=message, notes=(*result.notes, message))
    return result


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
    if invalid_values := _list_names(result, (values < low) | (values > high)):
        yield f"success, but {invalid_values} outside the limits"
        return
    stat = objective.total(values)
    if abs(stat - result.stat) > STAT_TOLERANCE + RELATIVE_TOLERANCE * abs(stat):
        yield (
            f"the statistic {result.stat:.6g}, but the objective is {stat:.6g} at the returned "
            "values"
        )
    if invalid := _list_names(result, ~np.isfinite(result.errors) & _has_error(objective, result)):
        yield f"success, but no finite error of {invalid}"


def _find_decrease(objective: Objective, result: FitResult) -> float:
    """Return by how much the statistic is lower at the start or a Newton step away; 0 if not.

    Samplers return mean values, at which the statistic is above the minimum.
    """
    if result.samples is not None:
        return 0.0
    points = [objective.start, *_iter_newton_points(objective, result)]
    decrease = result.stat - min(objective.total(point) for point in points)
    return decrease if decrease > DECREASE_MAX + RELATIVE_TOLERANCE * abs(result.stat) else 0.0


def _iter_newton_points(objective: Objective, result: FitResult) -> Iterator[Any]:
    """Yield points along a Newton step in the parameters for which the statistic is smooth."""
    gradient, fisher = objective.gradient(result.values), objective.fisher(result.values)
    if gradient is None or fisher is None:
        return
    low, high = objective.limits.T
    is_free = _has_error(objective, result) & (result.values > low) & (result.values < high)
    if not (np.isfinite(gradient).all() and np.isfinite(fisher).all() and is_free.any()):
        return
    step = np.zeros(len(gradient))
    scale = 1 / np.sqrt(np.diag(fisher)[is_free].clip(np.finfo(float).tiny))
    scaled_fisher = fisher[np.ix_(is_free, is_free)] * np.outer(scale, scale)
    scaled_step = np.linalg.lstsq(scaled_fisher, gradient[is_free] * scale, rcond=1e-12)[0]
    step[is_free] = -scale * scaled_step
    if -gradient @ step < DECREASE_MAX:  # twice the decrease of a parabola
        return
    for fraction in (1, 0.3, 0.03):
        yield np.clip(result.values + fraction * step, low, high)


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
