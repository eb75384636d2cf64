"""The estimators: what is derived, with its pictures and files."""

from skyred.defaults.gammapy.estimators.alternatives import Alternative
from skyred.defaults.gammapy.estimators.contours import Contours
from skyred.defaults.gammapy.estimators.excess import ExcessMap
from skyred.defaults.gammapy.estimators.flux_points import FluxPoints
from skyred.defaults.gammapy.estimators.flux_profile import FluxProfile
from skyred.defaults.gammapy.estimators.light_curve import Interval, LightCurve
from skyred.defaults.gammapy.estimators.model_comparison import ModelComparison
from skyred.defaults.gammapy.estimators.profile_likelihood import ProfileLikelihood
from skyred.defaults.gammapy.estimators.profile_shapes import Line, Rings
from skyred.defaults.gammapy.estimators.residuals import Residuals
from skyred.defaults.gammapy.estimators.sensitivity import Sensitivity
from skyred.defaults.gammapy.estimators.significance import SignificanceMap
from skyred.defaults.gammapy.estimators.source_detection import SourceDetection
from skyred.defaults.gammapy.estimators.ts_map import TSMap

__all__ = [
    "Alternative",
    "Contours",
    "ExcessMap",
    "FluxPoints",
    "FluxProfile",
    "Interval",
    "LightCurve",
    "Line",
    "ModelComparison",
    "ProfileLikelihood",
    "Residuals",
    "Rings",
    "Sensitivity",
    "SignificanceMap",
    "SourceDetection",
    "TSMap",
]
