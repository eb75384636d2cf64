"""Models of sources and backgrounds."""

from skyred.components.models.absorption import Absorption
from skyred.components.models.background import BackgroundModels
from skyred.components.models.catalog import CatalogSources
from skyred.components.models.counts_template import CountsTemplate
from skyred.components.models.free_parameters import Free, Freeze
from skyred.components.models.gammapy_yaml import GammapyModels, ModelFile
from skyred.components.models.source import Source
from skyred.components.models.template import TemplateSource

__all__ = [
    "Absorption",
    "BackgroundModels",
    "CatalogSources",
    "CountsTemplate",
    "Free",
    "Freeze",
    "GammapyModels",
    "ModelFile",
    "Source",
    "TemplateSource",
]
