"""The likelihood: from datasets with models to an objective that fitters minimise."""

from skyred.likelihood.objective import objective_of
from skyred.likelihood.total import Likelihood

__all__ = ["Likelihood", "objective_of"]
