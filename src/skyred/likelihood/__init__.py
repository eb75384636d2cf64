"""The likelihood: from datasets with models to an objective that fitters minimise."""

from skyred.likelihood.stat_sum import objective_of

__all__ = ["objective_of"]
