"""Fits of objectives by the fitter to be checked, and checks of their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import SkyredError
from skyred.interfaces.records import FitResult
from skyred.testing.case import ComponentCase
from skyred.testing.objectives import ObjectiveWithKnownMinimum
from skyred.testing.requirement import RequirementViolated, require
from skyred.testing.steps import step

if TYPE_CHECKING:
    from skyred.interfaces.objective import Objective


def minimise(case: ComponentCase, objective: Objective) -> FitResult:
    """Fit an objective.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    objective : Objective
        The objective.

    Returns
    -------
    FitResult
        The result.

    Raises
    ------
    RequirementViolated
        If the fitter returns an object of another type.
    """
    with step("fitting an objective"):
        result: Any = case.component.fit(objective)
    if not isinstance(result, FitResult):
        raise RequirementViolated(f"fit returns {type(result).__name__}, not a FitResult")
    return result


def minimise_or_none(case: ComponentCase, objective: Objective) -> FitResult | None:
    """Fit an objective that may have no minimum.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    objective : Objective
        The objective.

    Returns
    -------
    FitResult or None
        The result; None if the fitter raises a `SkyredError`, which has a clear message.
    """
    try:
        with np.errstate(all="ignore"):
            return minimise(case, objective)
    except SkyredError:
        return None


def find_known_minimum(case: ComponentCase, reference: ObjectiveWithKnownMinimum) -> FitResult:
    """Fit an objective with a known minimum, once for the checks of all requirements.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    reference : ObjectiveWithKnownMinimum
        The objective, identified by its description.

    Returns
    -------
    FitResult
        The result.
    """
    fits: dict[str, FitResult] = case.memo.setdefault("fits", {})
    if reference.description not in fits:
        fits[reference.description] = minimise(case, reference.objective)
    return fits[reference.description]


def check_minimum(case: ComponentCase, reference: ObjectiveWithKnownMinimum) -> None:
    """Check that a fit ends at the known minimum.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    reference : ObjectiveWithKnownMinimum
        The objective.
    """
    result = find_known_minimum(case, reference)
    require(result.success, f"on {reference.description} it reports no success: {result.message!r}")
    pulls = np.abs(result.values - reference.values) / reference.errors
    error = _sampling_error(result)
    message = f"on {reference.description} it ends {pulls.max():.2g} sigma from the minimum"
    require(pulls.max() < 0.05 + error, message)
    delta_stat = result.stat - reference.stat
    tolerance = 0.01 + 4 * len(reference.values) * error
    message = f"on {reference.description} stat is {result.stat:.6g}; expected {reference.stat:.6g}"
    require(abs(delta_stat) < tolerance, message)


def check_errors(case: ComponentCase, reference: ObjectiveWithKnownMinimum) -> None:
    """Check that the errors of a fit are the known errors.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    reference : ObjectiveWithKnownMinimum
        The objective.
    """
    result = find_known_minimum(case, reference)
    ratio = result.errors / reference.errors
    message = f"on {reference.description} the errors are {ratio.round(3)} times the true errors"
    require(np.abs(ratio - 1).max() < error_tolerance(result), message)


def error_tolerance(result: FitResult) -> float:
    """Return the relative tolerance of the errors of a fit.

    Parameters
    ----------
    result : FitResult
        The result of a minimiser or sampler.

    Returns
    -------
    float
        The tolerance: 2 %, plus the precision of a sampler.
    """
    return 0.02 + _sampling_error(result)


def _sampling_error(result: FitResult) -> float:
    """Return five times the error of the mean of the samples, in sigma; 0 for a minimiser."""
    if result.samples is None:
        return 0.0
    weights = result.weights if result.weights is not None else np.ones(len(result.samples))
    effective_size = weights.sum() ** 2 / (weights**2).sum()
    return float(5 / np.sqrt(effective_size))
