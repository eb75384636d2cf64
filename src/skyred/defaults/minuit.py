"""The fitter `minuit`: Newton steps where derivatives are known, MIGRAD, and HESSE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred.fields import option
from skyred.hookspecs import hookimpl
from skyred.interfaces import Component, Fitter, component
from skyred.minimise import minimise

if TYPE_CHECKING:
    from skyred.objective import Objective
    from skyred.records import FitResult


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


@hookimpl
def skyred_components() -> list[type[Component]]:
    """Offer the fitter."""
    return [Minuit]
