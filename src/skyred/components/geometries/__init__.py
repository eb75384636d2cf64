"""Geometries of the reduced data: sky maps and spectra, with their energy axes."""

from skyred.components.geometries.axes import EnergyAxis
from skyred.components.geometries.sky_map import MapGeometry
from skyred.components.geometries.spectrum import SpectrumGeometry

__all__ = ["EnergyAxis", "MapGeometry", "SpectrumGeometry"]
