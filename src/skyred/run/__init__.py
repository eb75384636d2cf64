"""The run of a pipeline: select, reduce, model, fit and estimate, without printing or parsing."""

from skyred.run.orchestrator import Orchestrator

__all__ = ["Orchestrator"]
