"""The fitter `gammapy`: gammapy's backends for fits, on any objective."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.components.fitters.check_minimum import check_minimum, lower_point_inside_limits
from skyred.components.fitters.scaled import Scaled
from skyred.errors import FitError, Problem
from skyred.fields import FrozenMapping, option, thaw
from skyred.interfaces import Chain, Fitter, component
from skyred.interfaces.records import FitResult
from skyred.likelihood.minimise.convergence import at_limit
from skyred.likelihood.minimise.nearby import RESTARTS, find_lower_neighbour
from skyred.likelihood.minimise.search_result import SearchResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

# by backend: its methods, the first one gammapy's own choice
METHODS: Mapping[str, tuple[str, ...]] = {
    "minuit": ("migrad",),
    # not COBYLA, which looks beyond limits, and not trust-constr, which cannot start at one
    "scipy": ("Nelder-Mead", "Powell", "L-BFGS-B", "TNC", "SLSQP", "BFGS", "CG"),
    # not levmar: it wants residuals, and gammapy gives it none
    "sherpa": ("simplex", "moncar", "gridsearch"),
}
WITH_GRADIENT = ("L-BFGS-B", "TNC", "SLSQP", "BFGS", "CG")
WITHOUT_LIMITS = ("BFGS", "CG")
MISJUDGED = 10.0  # times an error, or a part of it, from which a step was a bad guess
GOAL = 2e-5  # in the statistic, by which another minimum must be lower: as the fitter minuit has it
TOLERANCES = {"minuit": "tol", "scipy": "tol", "sherpa": "ftol"}


@component
class GammapyFit(Fitter):
    """Minimise by a backend of gammapy: minuit, scipy or sherpa; errors by its HESSE."""

    kind = "gammapy"
    samples = False
    backend: str = option("scipy", choices=tuple(METHODS), doc="The backend that minimises.")
    method: str | None = option(
        None,
        type=str,
        doc="Its method; by default gammapy's: Nelder-Mead of scipy, simplex of sherpa.",
    )
    tolerance: float | None = option(
        None,
        type=float,
        min=0,
        doc="The backend's tolerance (tol, or sherpa's ftol); its own if left out.",
    )
    options: FrozenMapping = option(
        FrozenMapping({}),
        type=dict,
        doc="Options of the method, as the backend calls them: those of scipy.optimize.minimize, "
        "of Minuit.migrad (ncall) or of sherpa's method.",
    )

    def validate(self) -> Iterable[Problem]:
        """The method is one of the backend's."""
        known = METHODS[self.backend]
        if self.method is not None and self.method not in known:
            expected = f"expected one of {', '.join(known)}"
            yield Problem(("method",), f"{self.backend} has no method {self.method!r}", expected)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if the backend is not installed."""
        if self._is_missing():
            yield Problem(("backend",), "sherpa is not installed", 'pip install "skyred[sherpa]"')

    def fit(self, objective: Objective) -> FitResult:
        """Minimise the objective's total, and look whether it is a minimum.

        Raises
        ------
        FitError
            If the backend is not installed, the objective is not finite at its starting values, or
            the method knows no limits and there are some.
        """
        scaled = Scaled(objective)
        self._require_possible(objective, scaled.first)
        found = self._minimum(scaled)
        for _ in range(RESTARTS):
            nearby = _elsewhere(scaled, found)
            if nearby is None:
                break
            scaled = Scaled(nearby, calls=scaled.calls)
            found = self._minimum(scaled)
        if not found.message and objective.refresh is not None and objective.refresh(found.values):
            # the IRFs at the fitted position are others than at the start
            again = attrs.evolve(objective, start=found.values, steps=found.errors)
            scaled = Scaled(again, calls=scaled.calls)
            found = self._minimum(scaled)
            objective.refresh(found.values)
        return FitResult(
            names=objective.names,
            units=objective.units,
            values=found.values,
            errors=found.errors,
            covariance=found.covariance,
            stat=objective.total(found.values),
            success=not found.message,
            message=found.message,
            nfev=scaled.calls + 1,
            edm=found.edm,
            at_limit=at_limit(objective, found.values, found.errors),
            notes=objective.notes,
        )

    def _minimum(self, scaled: Scaled) -> SearchResult:
        """Search once, and look whether it ended at a minimum."""
        factors, message = self._search(scaled)
        values = scaled.values(factors)
        minimum = check_minimum(scaled, scaled.factors(values))
        covariance = minimum.covariance * np.outer(scaled.steps, scaled.steps)
        why = "; ".join(part for part in (message, minimum.message) if part)
        return SearchResult(values, covariance, minimum.edm, scaled.calls, why)

    def _is_missing(self) -> bool:
        return self.backend == "sherpa" and find_spec("sherpa") is None

    def _require_possible(self, objective: Objective, first: float) -> None:
        if self._is_missing():
            raise FitError('sherpa is not installed: pip install "skyred[sherpa]"')
        if not np.isfinite(first):
            raise FitError(
                f"the fit statistic is {first} at the starting values; start from values at which "
                "the model predicts counts wherever there are any"
            )
        limits = zip(objective.names, objective.limits, strict=True)
        names = [name for name, pair in limits if np.isfinite(pair).any()]
        if self.method in WITHOUT_LIMITS and names:
            raise FitError(
                f"{self.method} knows no limits, and {', '.join(names)} have some; "
                "use L-BFGS-B, or take the limits away"
            )

    def _search(self, scaled: Scaled) -> tuple[Array, str]:
        """Give where the backend's search ended, and why that is no minimum by its own word."""
        from gammapy.modeling.fit import registry

        parameters = scaled.parameters(np.zeros(len(scaled.steps)))
        compute = registry.get("optimize", self.backend)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # inf beyond the limits is meant
            factors, info, _ = compute(
                parameters=parameters,
                function=scaled.function(parameters),
                **self._arguments(scaled),
            )
        failed = "" if info["success"] else f"{self._called()} did not converge: {info['message']}"
        return np.array(factors, dtype=float), failed

    def _called(self) -> str:
        return f"{self.backend}'s {self.method or METHODS[self.backend][0]}"

    def _arguments(self, scaled: Scaled) -> dict[str, Any]:
        """Give what the backend's function of gammapy takes besides."""
        options = thaw(self.options)
        given: dict[str, Any] = (
            {} if self.tolerance is None else {TOLERANCES[self.backend]: self.tolerance}
        )
        method = self.method or METHODS[self.backend][0]
        if self.backend == "minuit":
            return {**given, "migrad_opts": options}
        if self.backend == "sherpa":
            return {**given, **options, "method": method}
        if method == "Nelder-Mead":
            # its own first steps are 0.00025 from a start of zero: far too small, in errors
            options = {"initial_simplex": _simplex(scaled), **options}
        if method in WITH_GRADIENT:
            known = scaled.objective.gradient_of is not None
            given["jac"] = scaled.gradient if known else "3-point"
        return {**given, "method": method, "options": options}


def _elsewhere(scaled: Scaled, found: SearchResult) -> Objective | None:
    """Give where to search again, and in which steps; None if that is not needed, or no use."""
    objective, errors = scaled.objective, found.errors
    factors = scaled.factors(found.values)
    inside = lower_point_inside_limits(scaled, factors)
    if inside is not None:
        way = scaled.steps * (inside - factors)
        start = np.clip(found.values + way, *objective.limits.T)
        return attrs.evolve(objective, start=start, steps=np.where(way, np.abs(way), scaled.steps))
    if np.any(np.abs(np.log(errors / scaled.steps)) > np.log(MISJUDGED)):
        return attrs.evolve(objective, start=found.values, steps=errors)
    if found.message:
        return None
    # the likelihood of a point source has kinks, and a minimum on each side of them
    lower, calls = find_lower_neighbour(objective, found.values, errors, GOAL)
    scaled.calls += calls
    return None if lower is None else attrs.evolve(objective, start=lower, steps=errors)


def _simplex(scaled: Scaled) -> Array:
    """Give the start, and a step from it along each parameter, within the limits."""
    low, high = scaled.limits.T
    steps = np.where(high >= 1, 1.0, np.where(low <= -1, -1.0, np.where(high > -low, high, low)))
    return np.vstack([np.zeros(len(steps)), np.diag(steps)])
