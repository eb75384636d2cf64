"""Requirements for fitters: correct results for known objectives, and success only at a minimum."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from skyred.interfaces.records import FitResult
from skyred.testing.case import ComponentCase
from skyred.testing.fits import (
    check_errors,
    check_minimum,
    error_tolerance,
    find_known_minimum,
    minimise,
    minimise_or_none,
)
from skyred.testing.objectives import (
    ObjectiveWithKnownMinimum,
    constant_objective,
    correlated_parabola,
    degenerate_objective,
    minimum_beyond_limit,
    parabola_with_prior,
    parabola_without_derivatives,
    poisson_counts,
    rosenbrock,
)
from skyred.testing.requirement import require, requirement

if TYPE_CHECKING:
    from skyred.interfaces.objective import Objective

_SUCCESS = (
    "Set success=False if the search did not converge, or the matrix of second derivatives is not "
    "finite and positive definite: users rely on this flag."
)


@requirement(
    "finds the minimum of known objectives",
    "fitter",
    fix="Minimise objective.total, from objective.start, with a tolerance of the EDM of 1e-3 or "
    "less; do not use gradient and fisher if they are None.",
)
def finds_minimum(case: ComponentCase) -> None:
    """Check the position within 0.05 sigma, plus the precision of a sampler, and the statistic.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    for reference in (correlated_parabola(), parabola_without_derivatives(), poisson_counts()):
        check_minimum(case, reference)


@requirement(
    "includes priors exactly once",
    "fitter",
    fix="Minimise objective.total. A sampler that draws with objective.transform uses "
    "objective.sampled_stat, any other objective.total.",
)
def includes_priors(case: ComponentCase) -> None:
    """Check a Gaussian prior that is as narrow as the likelihood.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    reference = parabola_with_prior()
    check_minimum(case, reference)
    check_errors(case, reference)


@requirement(
    "returns the errors and the covariance of known objectives",
    "fitter",
    fix="Compute the covariance from second derivatives at the minimum: for -2 log L it is "
    "2 H^-1. MIGRAD's own estimate can be wrong by a large factor.",
)
def finds_errors(case: ComponentCase) -> None:
    """Check errors within 2 % and correlation within 0.02, plus the precision of a sampler.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    for reference in (correlated_parabola(), parabola_without_derivatives(), poisson_counts()):
        check_errors(case, reference)
        result = find_known_minimum(case, reference)
        expected = reference.covariance / np.outer(reference.errors, reference.errors)
        correlation = result.covariance / np.outer(result.errors, result.errors)
        require(
            np.abs(correlation - expected).max() < error_tolerance(result),
            f"on {reference.description} the correlation is {correlation[0, 1]:.3f}, "
            f"not {expected[0, 1]:.3f}",
        )


@requirement(
    "returns a symmetric, positive definite covariance that is consistent with the errors",
    "fitter",
    fix="Set errors = sqrt(diag(covariance)), or success=False if that is impossible.",
)
def returns_consistent_covariance(case: ComponentCase) -> None:
    """Check the covariance and the errors, and the names and units of the parameters.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    for reference in (correlated_parabola(), poisson_counts()):
        result = find_known_minimum(case, reference)
        objective = reference.objective
        same = (result.names, result.units) == (objective.names, objective.units)
        message = f"its parameters {result.names} in {result.units} are not those of the objective"
        require(same, message)
        scale = np.sqrt(np.abs(np.diag(result.covariance)))
        matrix = result.covariance / np.outer(scale, scale)
        require(
            np.allclose(matrix, matrix.T, atol=1e-9),
            f"on {reference.description} the covariance is not symmetric",
        )
        eigenvalue = np.linalg.eigvalsh((matrix + matrix.T) / 2).min()
        require(
            eigenvalue > 0,
            f"on {reference.description} the correlation matrix has the eigenvalue "
            f"{eigenvalue:.2g}",
        )
        is_consistent = np.allclose(scale, result.errors, rtol=1e-6)
        message = f"on {reference.description} the errors differ from those of the covariance"
        require(is_consistent, message)


@requirement(
    "stays inside the limits, and reports parameters that end at a limit",
    "fitter",
    fix="Search inside objective.limits, and add parameters that end at a limit to at_limit.",
)
def stays_inside_limits(case: ComponentCase) -> None:
    """Check parabolas with the minimum beyond the lower or the upper limit of a parameter.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    for side in (-1, 1):
        _check_limits(case, minimum_beyond_limit(side))


@requirement("reports no success for degenerate parameters", "fitter", fix=_SUCCESS)
def fails_for_degenerate_parameters(case: ComponentCase) -> None:
    """Check two parameters of which only the sum is constrained, with an error of 0.1.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    _require_no_success(case, degenerate_objective())


@requirement("reports no success for a constant statistic", "fitter", fix=_SUCCESS)
def fails_for_constant_statistic(case: ComponentCase) -> None:
    """Check a constant statistic; the posterior of a sampler is as wide as the limits.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    _require_no_success(case, constant_objective())


@requirement("reports no success for a statistic that is not finite", "fitter", fix=_SUCCESS)
def fails_for_non_finite_statistic(case: ComponentCase) -> None:
    """Check statistics that are NaN or infinite; the fitter may raise a SkyredError.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    for value in (np.nan, np.inf):
        result = minimise_or_none(case, constant_objective(value))
        require(
            result is None or not result.success,
            f"it reports success for a statistic of {value}",
        )


@requirement(
    "reports success only at a minimum",
    "fitter",
    fix="Check the gradient g at the end of the search: the estimated distance to the minimum is "
    "g C g / 2. " + _SUCCESS,
)
def succeeds_only_at_minimum(case: ComponentCase) -> None:
    """Check that a fit of Rosenbrock's function fails or ends at the minimum, except for samplers.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    reference = rosenbrock()
    result = minimise_or_none(case, reference.objective)
    if result is None or not result.success or result.samples is not None:
        return
    delta_stat = reference.objective.total(result.values) - reference.stat
    message = f"it reports success {delta_stat:.2g} above the minimum of {reference.description}"
    require(delta_stat < 0.01, message)


@requirement(
    "leaves the objective unchanged",
    "fitter",
    fix="Copy objective.start and objective.limits before you change them, and leave the call of "
    "objective.accept to the caller.",
)
def leaves_objective_unchanged(case: ComponentCase) -> None:
    """Check start, limits and steps, and that `accept` is not called.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    reference, accepted = correlated_parabola(), list[FitResult]()
    objective = reference.objective
    objective.on_accept = accepted.append
    before = [objective.start.copy(), objective.limits.copy(), np.array(objective.steps)]
    minimise(case, objective)
    after = [objective.start, objective.limits, np.array(objective.steps)]
    for name, old, new in zip(("start", "limits", "steps"), before, after, strict=True):
        require(np.array_equal(old, new), f"it changes the {name} of the objective")
    require(not accepted, "it calls objective.accept")


@requirement(
    "returns the same result each time",
    "fitter",
    fix="Set the seed of random numbers by an option, and keep no state between fits.",
)
def returns_reproducible_result(case: ComponentCase) -> None:
    """Check that two results are equal, bit by bit, with another fit in between.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    first = minimise(case, correlated_parabola().objective)
    minimise(case, poisson_counts().objective)
    second = minimise(case, correlated_parabola().objective)
    for name in ("values", "errors", "covariance"):
        same = np.array_equal(getattr(first, name), getattr(second, name))
        require(same, f"a second fit of the same objective returns other {name}")


@requirement(
    "returns a result that can be saved and read back",
    "fitter",
    fix="Create FitResult with plain numbers, strings and arrays of them.",
)
def returns_result_that_can_be_saved(case: ComponentCase) -> None:
    """Check that the result is equal after a round trip through text, as in fit.yaml.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    result = find_known_minimum(case, poisson_counts())
    loaded = FitResult.from_dict(json.loads(json.dumps(result.to_dict())))
    for name in ("values", "covariance", "errors"):
        same = np.array_equal(getattr(result, name), getattr(loaded, name))
        require(same, f"the {name} are not the same after writing and reading")


@requirement(
    "passes on the notes of the objective",
    "fitter",
    fix="Return FitResult(notes=objective.notes, ...): the notes report approximations.",
)
def passes_on_notes(case: ComponentCase) -> None:
    """Check that the notes of the objective are among those of the result.

    Parameters
    ----------
    case : ComponentCase
        The fitter to be checked.
    """
    reference = correlated_parabola()
    notes = find_known_minimum(case, reference).notes
    missing = set(reference.objective.notes) - set(notes)
    require(not missing, f"the note of the objective is missing in the result, which has {notes!r}")


def _check_limits(case: ComponentCase, reference: ObjectiveWithKnownMinimum) -> None:
    result = find_known_minimum(case, reference)
    low, high = reference.objective.limits.T
    in_limits = (result.values >= low).all() and (result.values <= high).all()
    require(in_limits, f"on {reference.description} it ends at {result.values}, outside the limits")
    if result.samples is not None:  # a posterior does not end at a limit
        all_inside = (result.samples >= low).all() and (result.samples <= high).all()
        require(all_inside, f"on {reference.description} some samples lie outside the limits")
        return
    delta_stat = result.stat - reference.stat
    message = (
        f"on {reference.description} it ends {delta_stat:.2g} above the minimum inside the limits"
    )
    require(delta_stat < 0.01, message)
    message = f"on {reference.description} p0 ends at its limit, but is not in at_limit"
    require("p0" in result.at_limit, message)


def _require_no_success(case: ComponentCase, objective: Objective) -> None:
    """Require that a fit is not successful, or that its errors are larger than 1."""
    result = minimise_or_none(case, objective)
    if result is not None and result.success:
        error = result.errors.min()
        require(error > 1, f"it reports success, with errors of {error:.2g}")
