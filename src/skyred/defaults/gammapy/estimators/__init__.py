"""The estimators: what is derived, with its pictures and files."""

from skyred.defaults.gammapy.estimators.excess import ExcessMap
from skyred.defaults.gammapy.estimators.flux_points import FluxPoints
from skyred.defaults.gammapy.estimators.residuals import Residuals

__all__ = ["ExcessMap", "FluxPoints", "Residuals"]
