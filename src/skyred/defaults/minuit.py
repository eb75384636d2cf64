"""The fitter `minuit`: Newton steps where derivatives are known, MIGRAD, and HESSE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.fields import option
from skyred.hookspecs import hookimpl
from skyred.interfaces import Component, Fitter, component
from skyred.minimise import minimise
from skyred.scripting import literal

if TYPE_CHECKING:
    from skyred.objective import Objective
    from skyred.records import FitResult
    from skyred.scripting import Script


@component
class Minuit(Fitter):
    """Minimise by Newton steps, by MIGRAD where they do not do; then HESSE for the errors."""

    kind = "minuit"
    strategy: int = option(
        1, min=0, max=2, doc="Minuit's strategy for MIGRAD: 0 is fast, 2 takes the most care."
    )
    tolerance: float = option(
        0.01,
        min=1e-6,
        max=10.0,
        doc="Minuit's tolerance: searches end at an estimated distance of 0.002 times this.",
    )
    calls: int = option(
        10000, min=1, doc="Largest number of calls of the objective by MIGRAD, where it is needed."
    )
    minos: bool = option(False, doc="Whether to find asymmetric errors by MINOS.")

    def fit(self, objective: Objective) -> FitResult:
        """Minimise the objective's total.

        Raises
        ------
        FitError
            If the objective is not finite at its starting values.
        """
        return minimise(
            objective,
            strategy=self.strategy,
            tolerance=self.tolerance,
            calls=self.calls,
            minos=self.minos,
        )

    def write_script(self, script: Script) -> None:
        """Fit by gammapy's minuit, with an explicit HESSE."""
        script.use("gammapy.modeling", "Fit")
        options: dict[str, object] = {"strategy": self.strategy, "tol": self.tolerance}
        if not self._is_default("calls", self.calls):
            options["migrad_opts"] = {"ncall": self.calls}
        maps = any(each.is_map for each in script.datasets_made)
        if maps:
            options["strategy"] = 2
            script.body.add("# the likelihood of a point source has kinks: less care stops in one")
        script.body.add(
            f"fit = Fit(optimize_opts={literal(options)})", "result = fit.run(datasets)"
        )
        if maps:
            script.body.add(
                "# once more, with the kernel of the PSF where the source is now",
                "result = fit.run(datasets)",
            )
        script.body.add(
            "# gammapy gives the errors that MIGRAD built up on its way: ask for those of HESSE",
            'Fit(covariance_opts={"strategy": 2}).covariance(datasets)',
            "print(result)",
            "print(datasets.models.to_parameters_table())",
        )
        if self.minos:
            with script.body.inside("for parameter in datasets.parameters.free_parameters:"):
                script.body.add("print(parameter.name, fit.confidence(datasets, parameter))")


@hookimpl
def skyred_components() -> list[type[Component]]:
    """Offer the fitter."""
    return [Minuit]
