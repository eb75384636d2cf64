"""Geometries: the axes, centres and sizes of the reduced data."""

from skyred.components.geometries.axes import EnergyAxis
from skyred.components.geometries.sky_map import MapGeometry
from skyred.components.geometries.spectrum import SpectrumGeometry

__all__ = ["EnergyAxis", "MapGeometry", "SpectrumGeometry"]
