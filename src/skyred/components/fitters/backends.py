"""The fitter `gammapy`: the fit backends of gammapy, for any objective."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.components.fitters.check_minimum import check_minimum
from skyred.components.fitters.confidence import Confidence, add_confidence
from skyred.components.fitters.options import STORE_TRACE
from skyred.components.fitters.scaled import ScaledObjective
from skyred.components.fitters.starts import create_restart, create_simplex
from skyred.errors import FitError, Problem
from skyred.fields import FrozenMapping, nested_object, option, thaw
from skyred.interfaces import Chain, Fitter, component
from skyred.interfaces.records import FitResult
from skyred.likelihood.minimise.convergence import parameters_at_limit
from skyred.likelihood.minimise.nearby import RESTARTS
from skyred.likelihood.minimise.search_result import SearchResult
from skyred.likelihood.minimise.trace import store_trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective

    Array = NDArray[np.float64]

# methods by backend; the first is gammapy's default
METHODS: Mapping[str, tuple[str, ...]] = {
    "minuit": ("migrad",),
    # not COBYLA, which exceeds limits, and not trust-constr, which cannot start at a limit
    "scipy": ("Nelder-Mead", "Powell", "L-BFGS-B", "TNC", "SLSQP", "BFGS", "CG"),
    # not levmar: it needs residuals, which gammapy does not provide
    "sherpa": ("simplex", "moncar", "gridsearch"),
}
GRADIENT_METHODS = ("L-BFGS-B", "TNC", "SLSQP", "BFGS", "CG")
METHODS_WITHOUT_LIMITS = ("BFGS", "CG")
TOLERANCES = {"minuit": "tol", "scipy": "tol", "sherpa": "ftol"}


@component
class GammapyFit(Fitter):
    """Minimise with a backend of gammapy (minuit, scipy or sherpa); errors from Minuit's HESSE."""

    kind = "gammapy"
    samples = False
    backend: str = option("scipy", choices=tuple(METHODS), doc="The backend.")
    method: str | None = option(
        None,
        type=str,
        doc="Method of the backend; by default migrad (minuit), Nelder-Mead (scipy) or simplex "
        "(sherpa).",
    )
    tolerance: float | None = option(
        None,
        type=float,
        min=0,
        doc="Tolerance (tol of minuit and scipy, ftol of sherpa); by default, the backend's own.",
    )
    options: FrozenMapping = option(
        FrozenMapping({}),
        type=dict,
        doc="Options of the method, with the names of the backend: "
        "those of scipy.optimize.minimize, of Minuit.migrad (ncall) or of sherpa's method.",
    )
    strategy: int | None = option(
        None,
        type=int,
        min=0,
        max=2,
        doc="Strategy of MIGRAD; only for the backend minuit.",
    )
    hesse_strategy: int = option(
        2,
        min=0,
        max=2,
        doc="Minuit's strategy for the covariance (HESSE), with all backends.",
    )
    confidence: Confidence | None = nested_object(
        Confidence, None, doc="Asymmetric errors; by default there are none."
    )
    store_trace: bool = STORE_TRACE

    def validate(self) -> Iterable[Problem]:
        """Check that the backend has the method, and that all options have an effect.

        Yields
        ------
        Problem
            A method that the backend does not have, or an option without effect.
        """
        methods = METHODS[self.backend]
        if self.method is not None and self.method not in methods:
            expected = f"available: {', '.join(methods)}"
            yield Problem(("method",), f"{self.backend} has no method {self.method!r}", expected)
        if self.strategy is not None and self.backend != "minuit":
            yield Problem(("strategy",), "has no effect", "set backend: minuit, or remove it")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check that the backend is installed.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            A backend that is not installed.
        """
        if self._is_missing():
            yield Problem(("backend",), "sherpa is not installed", 'pip install "skyred[sherpa]"')

    def fit(self, objective: Objective) -> FitResult:
        """Minimise the fit statistic with priors, and check that the result is a minimum.

        Parameters
        ----------
        objective : Objective
            The objective to minimise.

        Returns
        -------
        FitResult
            The minimum, with errors and covariance.

        Raises
        ------
        FitError
            If the backend is not installed, the objective is not finite at its starting values, or
            parameters have limits that the method does not support.
        """
        return store_trace(self._fit, objective) if self.store_trace else self._fit(objective)

    def _fit(self, objective: Objective) -> FitResult:
        scaled = ScaledObjective(objective)
        self._check_supported(objective, scaled.start_stat)
        scaled, result = self._find_minimum_with_restarts(scaled)
        refresh = None if result.message else objective.refresh
        if refresh is not None and refresh(result.values):
            # the IRFs at the fitted position differ from those at the start
            refit = attrs.evolve(objective, start=result.values, steps=result.errors)
            scaled = ScaledObjective(refit, calls=scaled.calls)
            result = self._find_minimum(scaled)
            refresh(result.values)
        fit_result = FitResult(
            names=objective.names,
            units=objective.units,
            values=result.values,
            errors=result.errors,
            covariance=result.covariance,
            stat=objective.total(result.values),
            success=not result.message,
            message=result.message,
            nfev=scaled.calls + 1,
            edm=result.edm,
            at_limit=parameters_at_limit(objective, result.values, result.errors),
            notes=objective.notes,
        )
        if self.confidence is None or not fit_result.success:
            return fit_result
        return add_confidence(fit_result, scaled, self.confidence)

    def _find_minimum_with_restarts(
        self, scaled: ScaledObjective
    ) -> tuple[ScaledObjective, SearchResult]:
        """Search, and repeat the search from other starts as long as that is needed.

        Parameters
        ----------
        scaled : ScaledObjective
            The objective of the first search.

        Returns
        -------
        tuple of ScaledObjective and SearchResult
            The objective of the last search, with the number of all calls, and its result.
        """
        result = self._find_minimum(scaled)
        for _ in range(RESTARTS):
            restart = create_restart(scaled, result)
            if restart is None:
                break
            scaled = ScaledObjective(restart, calls=scaled.calls)
            result = self._find_minimum(scaled)
        return scaled, result

    def _find_minimum(self, scaled: ScaledObjective) -> SearchResult:
        """Search once, and check that the search ended at a minimum.

        Parameters
        ----------
        scaled : ScaledObjective
            The objective, as a function of scaled offsets.

        Returns
        -------
        SearchResult
            The result of the search, with covariance and message.
        """
        offsets, message = self._search(scaled)
        values = scaled.to_values(offsets)
        minimum_check = check_minimum(scaled, scaled.to_offsets(values), self.hesse_strategy)
        covariance = minimum_check.covariance * np.outer(scaled.steps, scaled.steps)
        reason = "; ".join(part for part in (message, minimum_check.message) if part)
        return SearchResult(values, covariance, minimum_check.edm, scaled.calls, reason)

    def _is_missing(self) -> bool:
        """Return whether the backend is not installed."""
        return self.backend == "sherpa" and find_spec("sherpa") is None

    def _check_supported(self, objective: Objective, start_stat: float) -> None:
        """Raise an error if the backend cannot minimise the objective from its start."""
        if self._is_missing():
            raise FitError('sherpa is not installed: pip install "skyred[sherpa]"')
        if not np.isfinite(start_stat):
            raise FitError(
                f"the fit statistic is {start_stat} at the starting values; start from values "
                "with predicted counts in all bins with counts"
            )
        limits = zip(objective.names, objective.limits, strict=True)
        names = [name for name, bounds in limits if np.isfinite(bounds).any()]
        if self.method in METHODS_WITHOUT_LIMITS and names:
            raise FitError(
                f"{self.method} does not support limits, but {', '.join(names)} have limits; "
                "use L-BFGS-B, or remove the limits"
            )

    def _search(self, scaled: ScaledObjective) -> tuple[Array, str]:
        """Run the backend; return the final scaled offsets, and a message if the backend failed.

        Parameters
        ----------
        scaled : ScaledObjective
            The objective, as a function of scaled offsets.

        Returns
        -------
        tuple of numpy.ndarray and str
            The scaled offsets, shape (n,), and the message, "" if the search succeeded.
        """
        from gammapy.modeling.fit import registry

        parameters = scaled.create_parameters(np.zeros(len(scaled.steps)))
        optimize = registry.get("optimize", self.backend)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # inf beyond the limits is intended
            offsets, info, _ = optimize(
                parameters=parameters,
                function=scaled.create_function(parameters),
                **self._arguments(scaled),
            )
        message = (
            "" if info["success"] else f"{self._method_name()} did not converge: {info['message']}"
        )
        return np.array(offsets, dtype=float), message

    def _method_name(self) -> str:
        """Return the name of the method with that of its backend, for messages."""
        return f"{self.backend}'s {self.method or METHODS[self.backend][0]}"

    def _arguments(self, scaled: ScaledObjective) -> dict[str, Any]:
        """Return the additional arguments of gammapy's function for the backend.

        Parameters
        ----------
        scaled : ScaledObjective
            The objective, as a function of scaled offsets.

        Returns
        -------
        dict
            The keyword arguments.
        """
        options = thaw(self.options)
        arguments: dict[str, Any] = (
            {} if self.tolerance is None else {TOLERANCES[self.backend]: self.tolerance}
        )
        method = self.method or METHODS[self.backend][0]
        if self.backend == "minuit":
            if self.strategy is not None:
                arguments["strategy"] = self.strategy
            return {**arguments, "migrad_opts": options}
        if self.backend == "sherpa":
            return {**arguments, **options, "method": method}
        if method == "Nelder-Mead":
            # scipy's default first steps from zero, of 0.00025 parameter steps, are far too small
            options = {"initial_simplex": create_simplex(scaled), **options}
        if method in GRADIENT_METHODS:
            has_gradient = scaled.objective.gradient_of is not None
            arguments["jac"] = scaled.gradient if has_gradient else "3-point"
        return {**arguments, "method": method, "options": options}
