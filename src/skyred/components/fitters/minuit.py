"""The fitters `newton` and `minuit`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from skyred.components.fitters.options import MINOS_PARAMETERS, N_SIGMA, STORE_TRACE
from skyred.errors import Problem
from skyred.fields import option
from skyred.hookspecs import hookimpl
from skyred.interfaces import Component, Fitter, component
from skyred.likelihood.minimise import minimise
from skyred.likelihood.minimise.trace import store_trace
from skyred.scripting import literal

if TYPE_CHECKING:
    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script


TOLERANCE = option(
    0.01,
    min=1e-6,
    max=10.0,
    doc="Tolerance, as in Minuit: searches end at an estimated distance to the minimum (EDM) of "
    "0.002 times this value.",
)
MINOS = option(False, doc="Whether to compute asymmetric errors, as MINOS does.")


class _Minimiser(Fitter):
    """The base class of `newton` and `minuit`, with the code for exported scripts."""

    samples = False
    tolerance: float
    minos: bool
    n_sigma: float
    minos_parameters: tuple[str, ...]
    store_trace: bool

    def validate(self) -> Iterable[Problem]:
        """Check that options of asymmetric errors are only set if these are computed.

        Yields
        ------
        Problem
            An option without effect.
        """
        for name in ("n_sigma", "minos_parameters"):
            if not self.minos and not self._is_default(name, getattr(self, name)):
                yield Problem((name,), "has no effect", "set minos: true, or remove it")

    @property
    def _method_arguments(self) -> dict[str, Any]:
        """The arguments of `minimise` that select the method and its options."""
        return {"method": "newton"}

    def fit(self, objective: Objective) -> FitResult:
        """Minimise the fit statistic, including priors.

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
            If the objective is not finite at its starting values.
        """
        fit: Callable[[Objective], FitResult] = partial(
            minimise,
            tolerance=self.tolerance,
            minos=self.minos,
            n_sigma=self.n_sigma,
            minos_parameters=self.minos_parameters,
            **self._method_arguments,
        )
        return store_trace(fit, objective) if self.store_trace else fit(objective)

    @property
    def _strategies_and_calls(self) -> tuple[int, int, int | None]:
        """The strategies of MIGRAD and HESSE, and the limit on calls if it is not the default."""
        return 1, 2, None

    def write_script(self, script: Script) -> None:
        """Write a fit with gammapy's Minuit backend, followed by HESSE.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.modeling", "Fit")
        strategy, hesse_strategy, calls = self._strategies_and_calls
        options: dict[str, object] = {"strategy": strategy, "tol": self.tolerance}
        if calls is not None:
            options["migrad_opts"] = {"ncall": calls}
        has_maps = any(dataset.is_map for dataset in script.all_datasets)
        if has_maps:
            options["strategy"] = 2
            script.body.add(
                "# the likelihood of maps may not be smooth in source positions: lower strategies "
                "may stop early"
            )
        trace = ", store_trace=True" if self.store_trace else ""
        script.body.add(
            f"fit = Fit(optimize_opts={literal(options)}{trace})", "result = fit.run(datasets)"
        )
        if has_maps:
            script.body.add(
                "# fit again, with the PSF kernel at the fitted position",
                "result = fit.run(datasets)",
            )
        script.body.add(
            "# gammapy returns the approximate errors of MIGRAD: compute those of HESSE",
            f'Fit(covariance_opts={{"strategy": {hesse_strategy}}}).covariance(datasets)',
            "print(result)",
            "print(datasets.models.to_parameters_table())",
        )
        if self.store_trace:
            script.body.add("print(result.trace)")
        if self.minos:
            script.use("fnmatch", "fnmatchcase")
            sigma = "" if self.n_sigma == 1 else f", sigma={self.n_sigma!r}"
            script.body.add(
                "parameters = datasets.models.parameters",
                "names = datasets.models.parameters_unique_names",
                f"patterns = {literal(list(self.minos_parameters))}",
            )
            with script.body.inside("for parameter, name in zip(parameters, names, strict=True):"):
                script.body.add(
                    "is_selected = any(fnmatchcase(name, pattern) for pattern in patterns)",
                    "if is_selected and not parameter.frozen:",
                    f"    print(name, fit.confidence(datasets, parameter{sigma}))",
                )


@component
class Newton(_Minimiser):
    """Minimise with Newton steps; errors from the second derivatives.

    If Newton steps fail, or the objective has no gradient and Fisher matrix, MIGRAD is used, and
    the result has a note about it. The pixels around small sources are searched for lower minima.
    """

    kind = "newton"
    tolerance: float = TOLERANCE
    minos: bool = MINOS
    n_sigma: float = N_SIGMA
    minos_parameters: tuple[str, ...] = MINOS_PARAMETERS
    store_trace: bool = STORE_TRACE

    # assigned explicitly, since the export ignores an inherited method
    write_script = _Minimiser.write_script


@component
class Minuit(_Minimiser):
    """Minimise with Minuit's MIGRAD; errors from HESSE.

    MIGRAD uses the gradient of the objective if there is one, and differences otherwise.
    The pixels around small sources are searched for lower values, from which MIGRAD is restarted.
    """

    kind = "minuit"
    strategy: int = option(
        1, min=0, max=2, doc="Minuit's strategy for MIGRAD, from 0 (fast) to 2 (most accurate)."
    )
    hesse_strategy: int = option(
        2,
        min=0,
        max=2,
        doc="Minuit's strategy for the second derivatives at the minimum (HESSE); below 2, errors "
        "of positions are less accurate.",
    )
    tolerance: float = TOLERANCE
    calls: int = option(
        10000, min=1, doc="Maximum number of evaluations of the objective by MIGRAD."
    )
    minos: bool = MINOS
    n_sigma: float = N_SIGMA
    minos_parameters: tuple[str, ...] = MINOS_PARAMETERS
    store_trace: bool = STORE_TRACE

    # assigned explicitly, since the export ignores an inherited method
    write_script = _Minimiser.write_script

    @property
    def _method_arguments(self) -> dict[str, Any]:
        return {
            "method": "minuit",
            "strategy": self.strategy,
            "hesse_strategy": self.hesse_strategy,
            "calls": self.calls,
        }

    @property
    def _strategies_and_calls(self) -> tuple[int, int, int | None]:
        calls = None if self._is_default("calls", self.calls) else self.calls
        return self.strategy, self.hesse_strategy, calls


@hookimpl
def skyred_components() -> list[type[Component]]:
    """List the fitters.

    Returns
    -------
    list of type
        The component classes.
    """
    return [Newton, Minuit]
