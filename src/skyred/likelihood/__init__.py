"""The likelihood: from datasets with models to an objective that fitters minimise.

The names below are imported when they are first used: `skyred.likelihood.minimise` does without
scipy and gammapy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skyred.likelihood.api import fit, flux_points, flux_profile, light_curve
    from skyred.likelihood.likelihood import Likelihood
    from skyred.likelihood.objective import objective_of, restored_on_error

_HOME = {
    "Likelihood": "likelihood",
    "fit": "api",
    "flux_points": "api",
    "flux_profile": "api",
    "light_curve": "api",
    "objective_of": "objective",
    "restored_on_error": "objective",
}

__all__ = [
    "Likelihood",
    "fit",
    "flux_points",
    "flux_profile",
    "light_curve",
    "objective_of",
    "restored_on_error",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'skyred.likelihood' has no attribute {name!r}")
    return getattr(import_module(f"skyred.likelihood.{_HOME[name]}"), name)
