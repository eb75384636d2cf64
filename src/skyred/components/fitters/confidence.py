"""Asymmetric errors from gammapy's functions for confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.components.fitters.options import MINOS_PARAMETERS, N_SIGMA
from skyred.components.fitters.scaled import ScaledObjective
from skyred.errors import Problem
from skyred.fields import FrozenMapping, option, thaw
from skyred.interfaces import Fields, value
from skyred.likelihood.minimise.minos import select_parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.records import FitResult

    Array = NDArray[np.float64]

MAX_SIGMA = 10.0  # times n_sigma; the backend scipy searches the errors up to this distance


@value
class Confidence(Fields):
    """Asymmetric errors by a backend of gammapy, as `Fit.confidence` computes them."""

    backend: str = option(
        "minuit", choices=("minuit", "scipy"), doc="The backend: minuit (MINOS) or scipy (brentq)."
    )
    n_sigma: float = N_SIGMA
    parameters: tuple[str, ...] = MINOS_PARAMETERS
    reoptimize: bool = option(
        True,
        doc="Whether the other parameters are fitted again; false is only possible with scipy.",
    )
    options: FrozenMapping = option(
        FrozenMapping({}),
        type=dict,
        doc="Options of the backend, as in gammapy's confidence_opts: tol, strategy and "
        "migrad_opts of minuit; nbin and the options of scipy.optimize.brentq.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the backend has the option `reoptimize`.

        Yields
        ------
        Problem
            An option that the backend ignores.
        """
        if self.backend == "minuit" and not self.reoptimize:
            yield Problem(
                ("reoptimize",),
                "MINOS always fits the other parameters",
                "set backend: scipy, or remove it",
            )


def add_confidence(result: FitResult, scaled: ScaledObjective, settings: Confidence) -> FitResult:
    """Add asymmetric errors to a fit result.

    Parameters
    ----------
    result : FitResult
        The minimum, with errors.
    scaled : ScaledObjective
        The objective, as a function of scaled offsets.
    settings : Confidence
        The backend and its options.

    Returns
    -------
    FitResult
        The result with `errn` and `errp`, NaN where the backend failed, with a note.
    """
    errn, errp = np.full((2, len(result.names)), np.nan)
    notes = list(result.notes)
    scaled = ScaledObjective(
        attrs.evolve(scaled.objective, start=result.values, steps=result.errors)
    )
    for index in select_parameters(result.names, settings.parameters):
        interval = _compute_interval(scaled, index, settings)
        for side, errors in (("errn", errn), ("errp", errp)):
            success = interval.get(f"success_{side}", interval.get("success", False))
            if success and np.isfinite(interval[side]):
                errors[index] = interval[side] * scaled.steps[index]
            else:
                message = interval.get(f"message_{side}", interval.get("message", ""))
                notes.append(f"no {side} of {result.names[index]}: {message}")
    unknown = [name for name in settings.parameters if not select_parameters(result.names, [name])]
    if unknown:
        notes.append(
            f"no asymmetric errors for {', '.join(unknown)}: no free parameter has this name"
        )
    return attrs.evolve(
        result,
        errn=errn,
        errp=errp,
        n_sigma=settings.n_sigma,
        notes=notes,
        nfev=result.nfev + scaled.calls,
    )


def _compute_interval(scaled: ScaledObjective, index: int, settings: Confidence) -> dict[str, Any]:
    """Return the result of gammapy's function for one parameter, in units of its step."""
    from gammapy.modeling.fit import registry

    parameters = scaled.create_parameters(np.zeros(len(scaled.steps)))
    parameter = parameters[index]
    if settings.backend == "scipy":  # which would search up to 1e5 steps
        distance = MAX_SIGMA * settings.n_sigma
        parameter.min = np.fmax(parameter.min, -distance)
        parameter.max = np.fmin(parameter.max, distance)
    compute = registry.get("confidence", settings.backend)
    interval: dict[str, Any] = compute(
        parameters=parameters,
        parameter=parameter,
        function=scaled.create_function(parameters),
        sigma=settings.n_sigma,
        reoptimize=settings.reoptimize,
        **thaw(settings.options),
    )
    return interval
