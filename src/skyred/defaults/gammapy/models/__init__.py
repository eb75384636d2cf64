"""The models: what is on the sky, or in the background."""

from skyred.defaults.gammapy.models.background import BackgroundModels
from skyred.defaults.gammapy.models.gammapy_yaml import GammapyModels, ModelFile
from skyred.defaults.gammapy.models.source import Source

__all__ = ["BackgroundModels", "GammapyModels", "ModelFile", "Source"]
