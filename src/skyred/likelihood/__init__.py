"""The likelihood: from datasets with models to an objective that fitters minimise."""

from skyred.likelihood.alone import fit, flux_points
from skyred.likelihood.curves import flux_profile, light_curve
from skyred.likelihood.objective import objective_of, restored_on_error
from skyred.likelihood.total import Likelihood

__all__ = [
    "Likelihood",
    "fit",
    "flux_points",
    "flux_profile",
    "light_curve",
    "objective_of",
    "restored_on_error",
]
