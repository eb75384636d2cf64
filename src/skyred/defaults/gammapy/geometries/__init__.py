"""The geometries: where reduced data are put."""

from skyred.defaults.gammapy.geometries.axes import EnergyAxis
from skyred.defaults.gammapy.geometries.sky_map import MapGeometry
from skyred.defaults.gammapy.geometries.spectrum import SpectrumGeometry

__all__ = ["EnergyAxis", "MapGeometry", "SpectrumGeometry"]
