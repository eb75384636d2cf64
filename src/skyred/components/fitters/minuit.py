"""The fitters `newton` and `minuit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyred.fields import option
from skyred.hookspecs import hookimpl
from skyred.interfaces import Component, Fitter, component
from skyred.likelihood.minimise import minimise
from skyred.scripting import literal

if TYPE_CHECKING:
    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script


TOLERANCE = option(
    0.01,
    min=1e-6,
    max=10.0,
    doc="Tolerance as of Minuit: searches end at an estimated distance of 0.002 times this.",
)
MINOS = option(False, doc="Whether to find asymmetric errors, as MINOS does.")


class _Minimiser(Fitter):
    """A fitter that minimises, and its form in plain gammapy."""

    samples = False
    tolerance: float
    minos: bool

    @property
    def _method(self) -> dict[str, Any]:
        """How `minimise` goes down."""
        return {"method": "newton"}

    def fit(self, objective: Objective) -> FitResult:
        """Minimise the objective's total.

        Parameters
        ----------
        objective : Objective
            The function to minimise.

        Returns
        -------
        FitResult
            The minimum, its errors and covariance.

        Raises
        ------
        FitError
            If the objective is not finite at its starting values.
        """
        return minimise(objective, tolerance=self.tolerance, minos=self.minos, **self._method)

    @property
    def _minuit_options(self) -> tuple[int, int | None]:
        """Minuit's strategy, and the limit on calls if it is not the default."""
        return 1, None

    def write_script(self, script: Script) -> None:
        """Fit by gammapy's minuit, with an explicit HESSE."""
        script.use("gammapy.modeling", "Fit")
        strategy, calls = self._minuit_options
        options: dict[str, object] = {"strategy": strategy, "tol": self.tolerance}
        if calls is not None:
            options["migrad_opts"] = {"ncall": calls}
        maps = any(each.is_map for each in script.datasets_made)
        if maps:
            options["strategy"] = 2
            script.body.add(
                "# the likelihood of a point source is not smooth: less care stops early"
            )
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


@component
class Newton(_Minimiser):
    """Minimise by Newton steps with exact derivatives; the errors are of the second derivatives.

    Where Newton steps fail, MIGRAD takes over, and the result says so. The pixels around small
    sources are searched for lower minima.
    """

    kind = "newton"
    tolerance: float = TOLERANCE
    minos: bool = MINOS

    write_script = _Minimiser.write_script


@component
class Minuit(_Minimiser):
    """Minimise by MIGRAD of Minuit, with exact gradients where they are known; errors by HESSE.

    The pixels around small sources are searched for lower minima, from which MIGRAD starts again.
    """

    kind = "minuit"
    strategy: int = option(
        1, min=0, max=2, doc="Minuit's strategy for MIGRAD: 0 is fast, 2 takes the most care."
    )
    tolerance: float = TOLERANCE
    calls: int = option(10000, min=1, doc="Largest number of calls of the objective by MIGRAD.")
    minos: bool = MINOS

    write_script = _Minimiser.write_script

    @property
    def _method(self) -> dict[str, Any]:
        return {"method": "minuit", "strategy": self.strategy, "calls": self.calls}

    @property
    def _minuit_options(self) -> tuple[int, int | None]:
        return self.strategy, None if self._is_default("calls", self.calls) else self.calls


@hookimpl
def skyred_components() -> list[type[Component]]:
    """Offer the fitters."""
    return [Newton, Minuit]
