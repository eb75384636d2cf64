"""Verdicts: why a search failed, and which parameters it left at their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from iminuit import Minuit
    from numpy.typing import NDArray

    from skyred.objective import Objective

    Array = NDArray[np.float64]

FARTHEST = 0.1  # in the statistic, that the minimum by HESSE may be lower
NEAR_LIMIT = 0.5  # of its error, by which Minuit too judges a parameter to be at its limit


def why_not(minuit: Minuit) -> str:
    """Say why a search by MIGRAD is not valid."""
    verdict = minuit.fmin
    reasons = {
        "the limit on calls was reached; allow more with calls": verdict.has_reached_call_limit,
        "the estimated distance to the minimum is too large": verdict.is_above_max_edm,
        "parameters are at their limits": verdict.has_parameters_at_limit,
        "the covariance is not positive definite": not verdict.has_posdef_covar,
        "HESSE failed": verdict.hesse_failed,
    }
    found = [reason for reason, holds in reasons.items() if holds]
    return "MIGRAD did not converge: " + ("; ".join(found) or "no reason given")


def at_limit(objective: Objective, values: Array, errors: Array) -> list[str]:
    """Name the parameters that are at one of their limits."""
    margin = NEAR_LIMIT * np.where(np.isfinite(errors), errors, np.abs(values))
    low, high = objective.limits.T
    touching = (values - low <= margin) | (high - values <= margin)
    return [name for name, touches in zip(objective.names, touching, strict=True) if touches]
