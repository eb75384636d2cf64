"""The evaluations of the statistic during a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Objective
    from skyred.interfaces.records import FitResult

    Array = NDArray[np.float64]


def store_trace(fit: Callable[[Objective], FitResult], objective: Objective) -> FitResult:
    """Fit, and store the evaluations of the statistic.

    Evaluations for all free parameters are stored, also those of searches that were repeated and of
    differences for derivatives; conditional fits of some parameters with faster functions are not.

    Parameters
    ----------
    fit : callable
        Function that minimises an objective.
    objective : Objective
        The objective.

    Returns
    -------
    FitResult
        The result, with `trace`.
    """
    rows: list[Array] = []

    def stat(x: Array) -> float:
        value = objective.stat(x)
        rows.append(np.array([value + objective.prior_stat(x), *x]))
        return value

    result = fit(attrs.evolve(objective, stat=stat))
    return attrs.evolve(result, trace=np.reshape(rows, (len(rows), len(objective.names) + 1)))
