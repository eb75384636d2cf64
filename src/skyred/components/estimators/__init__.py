"""Estimators of fluxes, maps, significances and confidence regions, with their products."""

from skyred.components.estimators.alternatives import Alternative
from skyred.components.estimators.contours import Contours
from skyred.components.estimators.excess import ExcessMap
from skyred.components.estimators.flux_points import FluxPoints
from skyred.components.estimators.flux_points_by_dataset import FluxPointsByDataset
from skyred.components.estimators.flux_profile import FluxProfile
from skyred.components.estimators.light_curve import LightCurve
from skyred.components.estimators.model_comparison import ModelComparison
from skyred.components.estimators.norm_range import NormRange
from skyred.components.estimators.profile_likelihood import ProfileLikelihood
from skyred.components.estimators.profile_shapes import Line, Rings
from skyred.components.estimators.residuals import Residuals
from skyred.components.estimators.sensitivity import Sensitivity
from skyred.components.estimators.significance import SignificanceMap
from skyred.components.estimators.source_detection import SourceDetection
from skyred.components.estimators.ts_map import TSMap

__all__ = [
    "Alternative",
    "Contours",
    "ExcessMap",
    "FluxPoints",
    "FluxPointsByDataset",
    "FluxProfile",
    "LightCurve",
    "Line",
    "ModelComparison",
    "NormRange",
    "ProfileLikelihood",
    "Residuals",
    "Rings",
    "Sensitivity",
    "SignificanceMap",
    "SourceDetection",
    "TSMap",
]
