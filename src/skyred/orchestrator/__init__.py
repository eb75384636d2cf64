"""The orchestrator: select, reduce, model, fit, estimate; no printing, no parsing."""

from skyred.orchestrator.core import Orchestrator

__all__ = ["Orchestrator"]
