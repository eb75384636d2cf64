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
ERROR_TOLERANCE = 0.01  # of errors, relative to the root of the variance
CORRELATION_TOLERANCE = 1e-6
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
    # a copy, because the checks below use the objective, which a fitter could change
    result = fitter.fit(
        attrs.evolve(objective, start=objective.start.copy(), limits=objective.limits.copy())
    )
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
    if result.units != objective.units:
        yield f"the units {result.units}, not {objective.units}, those of the objective"
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
    yield from _find_wrong_errors(objective, result)


def _find_wrong_errors(objective: Objective, result: FitResult) -> Iterator[str]:
    """Find errors and covariances that a successful fit cannot have."""
    has_error = _has_error(objective, result)
    errors, covariance = result.errors[has_error], result.covariance[np.ix_(has_error, has_error)]
    is_valid = (result.errors > 0) & (result.errors < np.inf)
    if invalid := _list_names(result, has_error & ~is_valid):
        yield f"success, but no finite, positive error of {invalid}"
        return
    correlation = covariance / np.outer(errors, errors)
    if not np.isfinite(correlation).all():
        yield "success, but a covariance that is not finite"
    elif not np.allclose(correlation, correlation.T, atol=CORRELATION_TOLERANCE):
        yield "success, but a covariance that is not symmetric"
    elif correlation.size and np.linalg.eigvalsh(correlation)[0] < -CORRELATION_TOLERANCE:
        yield "success, but a covariance with negative eigenvalues"
    elif not _has_sharp_edges(objective, result):
        differs = np.zeros(len(result.names), dtype=bool)
        differs[has_error] = np.abs(np.sqrt(np.diag(correlation)) - 1) > ERROR_TOLERANCE
        if names := _list_names(result, differs):
            yield f"success, but errors that are not those of the covariance: {names}"


def _find_decrease(objective: Objective, result: FitResult) -> float:
    """Return by how much the statistic is lower at the start or a Newton step away; 0 if not.

    Samplers return mean values, at which the statistic is above the minimum: by the number of
    parameters at most, if the posterior is normal.
    """
    points = [objective.start]
    decrease_max = DECREASE_MAX + RELATIVE_TOLERANCE * abs(result.stat)
    if result.samples is None:
        points += _iter_newton_points(objective, result)
    else:
        n = len(result.names)
        decrease_max += n + 5 * np.sqrt(2 * n)
    decrease = result.stat - min(objective.total(point) for point in points)
    return float(decrease) if decrease > decrease_max else 0.0


def _iter_newton_points(objective: Objective, result: FitResult) -> Iterator[Any]:
    """Yield points along a Newton step in the parameters for which the statistic is smooth."""
    gradient, fisher = objective.gradient(result.values), objective.fisher(result.values)
    if gradient is None or fisher is None:
        return
    low, high = objective.limits.T
    is_free = _is_smooth(objective, result) & (result.values > low) & (result.values < high)
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
    return _is_smooth(objective, result) & ~is_exempt


def _is_smooth(objective: Objective, result: FitResult) -> Any:
    """Return for which parameters the statistic is smooth, shape (n,)."""
    is_smooth = np.ones(len(result.names), dtype=bool)
    for grid in objective.grids:
        is_smooth[grid.indices] = False
    for source in objective.sharp(result.values) if objective.sharp else ():
        is_smooth[source.indices] = False
    return is_smooth


def _has_sharp_edges(objective: Objective, result: FitResult) -> bool:
    """Return whether errors come from profiles, because the statistic is not smooth."""
    return bool(objective.sharp and objective.sharp(result.values)) or bool(objective.grids)


def _list_names(result: FitResult, mask: Any) -> str:
    return ", ".join(name for name, selected in zip(result.names, mask, strict=True) if selected)
