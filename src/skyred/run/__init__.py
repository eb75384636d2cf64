"""The run: select, reduce, model, fit, estimate; no printing, no parsing."""

from skyred.run.orchestrator import Orchestrator

__all__ = ["Orchestrator"]
