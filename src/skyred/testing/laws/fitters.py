"""Laws of fitters: the truth about bowls that are known in closed form, and no success without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import SkyredError
from skyred.interfaces.records import FitResult
from skyred.testing.case import ComponentCase
from skyred.testing.law import LawBroken, law, require
from skyred.testing.objectives import (
    Bowl,
    banana,
    constant,
    correlated,
    counts,
    flat,
    over_the_limit,
    valley,
    with_prior,
    without_derivatives,
)

if TYPE_CHECKING:
    from skyred.interfaces.objective import Objective

_LIES = (
    "Say success=False where the search did not end, or second derivatives are not positive and "
    "finite: whoever reads the result believes it."
)


@law(
    "finds the minimum of bowls that are known",
    "fitter",
    mend="Minimise objective.total, from objective.start, and with no more than the tolerance of "
    "an EDM of 1e-3; do without gradient and fisher where they are None.",
)
def finds_minimum(case: ComponentCase) -> None:
    """To 0.05 sigma, or a sampler's precision."""
    for bowl in (correlated(), without_derivatives(), counts()):
        _at_bottom(case, bowl)


@law(
    "counts priors, and counts them once",
    "fitter",
    mend="Minimise objective.total. A sampler that draws by objective.transform takes "
    "objective.sampled_stat, and one that does not, objective.total.",
)
def counts_priors(case: ComponentCase) -> None:
    """A Gaussian prior that draws as strongly as the likelihood."""
    bowl = with_prior()
    _at_bottom(case, bowl)
    ratio, precision = _fit(case, bowl).errors / bowl.errors, 0.02 + _blur(_fit(case, bowl))
    close = np.abs(ratio - 1).max() < precision
    require(close, f"on {bowl.words} the errors are {ratio.round(3)} of the true ones")


@law(
    "gives the errors and the covariance of bowls that are known",
    "fitter",
    mend="Take the covariance from second derivatives at the minimum: of -2 log L it is 2 H^-1. "
    "MIGRAD's own estimate can be wrong by factors.",
)
def finds_errors(case: ComponentCase) -> None:
    """To 2 percent, or a sampler's precision; the correlation to 0.02."""
    for bowl in (correlated(), without_derivatives(), counts()):
        result = _fit(case, bowl)
        ratio = result.errors / bowl.errors
        off, precision = np.abs(ratio - 1).max(), 0.02 + _blur(result)
        require(
            off < precision,
            f"on {bowl.words} the errors are {ratio.round(3)} of the true ones",
        )
        expected = bowl.covariance / np.outer(bowl.errors, bowl.errors)
        found = result.covariance / np.outer(result.errors, result.errors)
        close = np.abs(found - expected).max() < precision
        require(
            close, f"on {bowl.words} the correlation is {found[0, 1]:.3f}, not {expected[0, 1]:.3f}"
        )


@law(
    "gives a covariance that is symmetric and positive, and the errors as its diagonal",
    "fitter",
    mend="Take errors = sqrt(diag(covariance)), and say success=False where that cannot be.",
)
def sound_covariance(case: ComponentCase) -> None:
    """Shapes, names and units are those of the objective."""
    for bowl in (correlated(), counts()):
        result = _fit(case, bowl)
        objective = bowl.objective
        same = (result.names, result.units) == (objective.names, objective.units)
        require(same, f"it names {result.names} in {result.units}")
        scale = np.sqrt(np.abs(np.diag(result.covariance)))
        matrix = result.covariance / np.outer(scale, scale)
        require(np.allclose(matrix, matrix.T, atol=1e-9), f"on {bowl.words} it is not symmetric")
        lowest = np.linalg.eigvalsh((matrix + matrix.T) / 2).min()
        require(
            lowest > 0, f"on {bowl.words} it has an eigenvalue of {lowest:.2g}, with unit diagonal"
        )
        equal = np.allclose(scale, result.errors, rtol=1e-6)
        require(equal, f"on {bowl.words} the errors are not the roots of its diagonal")


@law(
    "stays inside the limits, and tells of parameters that end there",
    "fitter",
    mend="Search between objective.limits, and name in at_limit what ends at one.",
)
def inside_limits(case: ComponentCase) -> None:
    """The bottom of a parabola lies beyond the lower limit of a parameter, or the upper one."""
    for side in (-1, 1):
        _stays_inside(case, over_the_limit(side))


@law("claims no success in a valley without a lowest point", "fitter", mend=_LIES)
def degenerate(case: ComponentCase) -> None:
    """Only the sum of two parameters is known, to 0.1: errors of that size are nonsense."""
    result = _fit_or_none(case, valley())
    if result is not None and result.success:
        least = result.errors.min()
        require(least > 1, f"it gives errors of {least:.2g} with success, where nothing is known")


@law("claims no success where nothing depends on the parameters", "fitter", mend=_LIES)
def indifferent(case: ComponentCase) -> None:
    """A sampler may: its posterior is as wide as the limits."""
    result = _fit_or_none(case, flat())
    if result is not None and result.success:
        least = result.errors.min()
        require(least > 1, f"it gives errors of {least:.2g} with success")


@law("claims no success where the statistic is not a number", "fitter", mend=_LIES)
def not_a_number(case: ComponentCase) -> None:
    """NaN or infinite everywhere; an error of skyred is an answer too."""
    for value in (np.nan, np.inf):
        result = _fit_or_none(case, constant(value))
        require(
            result is None or not result.success, f"it has success where the statistic is {value}"
        )


@law(
    "claims success at a minimum only",
    "fitter",
    mend="Look at the gradient where the search ended: its estimated distance to the minimum is "
    "g C g / 2. " + _LIES,
)
def at_rest(case: ComponentCase) -> None:
    """In Rosenbrock's curved valley it may fail, but not lie."""
    bowl = banana()
    result = _fit_or_none(case, bowl.objective)
    if result is None or not result.success or result.samples is not None:
        return
    above = bowl.objective.total(result.values) - bowl.stat
    require(above < 0.01, f"it has success {above:.2g} above the minimum of {bowl.words}")


@law(
    "leaves the objective as it was",
    "fitter",
    mend="Copy objective.start and objective.limits before you change them; objective.accept is "
    "called by whoever asked for the fit.",
)
def leaves_objective(case: ComponentCase) -> None:
    """Start, limits, steps, names; and nothing is written to models."""
    bowl, accepted = correlated(), list[FitResult]()
    objective = bowl.objective
    objective.on_accept = accepted.append
    before = [objective.start.copy(), objective.limits.copy(), np.array(objective.steps)]
    _minimise(case, objective)
    after = [objective.start, objective.limits, np.array(objective.steps)]
    for name, one, other in zip(("start", "limits", "steps"), before, after, strict=True):
        require(np.array_equal(one, other), f"its {name} are changed")
    require(not accepted, "it calls objective.accept")


@law(
    "finds the same each time",
    "fitter",
    mend="Make random numbers from a seed that is an option, and keep nothing between fits.",
)
def fits_again(case: ComponentCase) -> None:
    """Bit by bit, with another fit between."""
    first = _minimise(case, correlated().objective)
    _minimise(case, counts().objective)
    again = _minimise(case, correlated().objective)
    for name in ("values", "errors", "covariance"):
        same = np.array_equal(getattr(first, name), getattr(again, name))
        require(same, f"the second time, its {name} are others")


@law(
    "gives a result that can be saved and read back",
    "fitter",
    mend="Give FitResult plain numbers, texts and arrays of them.",
)
def saved(case: ComponentCase) -> None:
    """Through text, as fit.yaml."""
    result = _fit(case, counts())
    again = FitResult.from_dict(json.loads(json.dumps(result.to_dict())))
    for name in ("values", "covariance", "errors"):
        same = np.array_equal(getattr(result, name), getattr(again, name))
        require(same, f"read back, its {name} are others")


@law(
    "hands on what the objective tells",
    "fitter",
    mend="Give FitResult(notes=objective.notes, ...): they tell what is not evaluated as usual.",
)
def hands_on_notes(case: ComponentCase) -> None:
    """The notes of the objective are among those of the result."""
    bowl = correlated()
    notes = _fit(case, bowl).notes
    require(set(bowl.objective.notes) <= set(notes), f"of its note, the result has {notes!r}")


def _fit(case: ComponentCase, bowl: Bowl) -> FitResult:
    """Fit a bowl, once for all laws."""
    fits: dict[str, FitResult] = case.memo.setdefault("fits", {})
    if bowl.words not in fits:
        fits[bowl.words] = _minimise(case, bowl.objective)
    return fits[bowl.words]


def _at_bottom(case: ComponentCase, bowl: Bowl) -> None:
    """See that a fit ends at the minimum."""
    result = _fit(case, bowl)
    require(result.success, f"on {bowl.words} it has no success: {result.message!r}")
    away = np.abs(result.values - bowl.values) / bowl.errors
    close = away.max() < 0.05 + _blur(result)
    require(close, f"on {bowl.words} it ends {away.max():.2g} sigma from the minimum")
    above = result.stat - bowl.stat
    slack = 0.01 + 4 * len(bowl.values) * bool(_blur(result)) * _blur(result)
    what = f"on {bowl.words} it says stat = {result.stat:.6g}, and it is {bowl.stat:.6g}"
    require(abs(above) < slack, what)


def _stays_inside(case: ComponentCase, bowl: Bowl) -> None:
    result = _fit(case, bowl)
    low, high = bowl.objective.limits.T
    inside = (result.values >= low).all() and (result.values <= high).all()
    require(inside, f"on {bowl.words} it ends at {result.values}, outside the limits")
    if result.samples is not None:  # a posterior does not end at a limit
        within = (result.samples >= low).all() and (result.samples <= high).all()
        require(within, f"on {bowl.words} some samples lie outside the limits")
        return
    above = result.stat - bowl.stat
    what = f"on {bowl.words} it ends {above:.2g} above the lowest statistic inside the limits"
    require(above < 0.01, what)
    at = "p0" in result.at_limit
    require(at, f"on {bowl.words} p0 ends at its limit, and at_limit does not name it")


def _minimise(case: ComponentCase, objective: Objective) -> FitResult:
    result: Any = case.component.fit(objective)
    if not isinstance(result, FitResult):
        raise LawBroken(f"fit gives {type(result).__name__}, and no FitResult")
    return result


def _fit_or_none(case: ComponentCase, objective: Objective) -> FitResult | None:
    try:
        with np.errstate(all="ignore"):
            return _minimise(case, objective)
    except SkyredError:  # told in words: whoever asked knows
        return None


def _blur(result: FitResult) -> float:
    """Give the precision of means of samples, in sigma (5 standard deviations); 0 of a minimum."""
    if result.samples is None:
        return 0.0
    weights = result.weights if result.weights is not None else np.ones(len(result.samples))
    effective = weights.sum() ** 2 / (weights**2).sum()
    return float(5 / np.sqrt(effective))
