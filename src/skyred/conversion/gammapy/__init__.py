"""Conversion of gammapy's `AnalysisConfig` and `WorkflowConfig`."""

from skyred.conversion.gammapy.analysis import convert_gammapy as convert_gammapy
