"""Conversion of configurations of gammapy and asgardpy to configurations of skyred."""

from skyred.conversion.conversion import Conversion as Conversion, convert as convert
from skyred.conversion.source import SkippedSetting as SkippedSetting
