"""The makers, around gammapy's."""

from skyred.defaults.gammapy.makers.fov_background import FoVBackground
from skyred.defaults.gammapy.makers.map_data import MapData
from skyred.defaults.gammapy.makers.phase_background import PhaseBackground
from skyred.defaults.gammapy.makers.reflected_regions import ReflectedRegions
from skyred.defaults.gammapy.makers.ring import AdaptiveRingBackground, RingBackground
from skyred.defaults.gammapy.makers.safe_mask import SafeMask
from skyred.defaults.gammapy.makers.spectrum import SpectrumData

__all__ = [
    "AdaptiveRingBackground",
    "FoVBackground",
    "MapData",
    "PhaseBackground",
    "ReflectedRegions",
    "RingBackground",
    "SafeMask",
    "SpectrumData",
]
