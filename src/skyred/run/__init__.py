"""Runs of pipelines: select, reduce, model, fit and estimate, without console output."""

from skyred.run.orchestrator import Orchestrator

__all__ = ["Orchestrator"]
