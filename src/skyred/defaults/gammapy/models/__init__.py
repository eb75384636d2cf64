"""The models: what is on the sky, or in the background."""

from skyred.defaults.gammapy.models.absorption import Absorption
from skyred.defaults.gammapy.models.background import BackgroundModels
from skyred.defaults.gammapy.models.catalog import CatalogSources
from skyred.defaults.gammapy.models.counts_template import CountsTemplate
from skyred.defaults.gammapy.models.gammapy_yaml import GammapyModels, ModelFile
from skyred.defaults.gammapy.models.source import Source
from skyred.defaults.gammapy.models.template import TemplateSource

__all__ = [
    "Absorption",
    "BackgroundModels",
    "CatalogSources",
    "CountsTemplate",
    "GammapyModels",
    "ModelFile",
    "Source",
    "TemplateSource",
]
