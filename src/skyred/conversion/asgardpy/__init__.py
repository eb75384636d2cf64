"""Conversion of configurations of asgardpy."""

from skyred.conversion.asgardpy.analysis import convert_asgardpy as convert_asgardpy
