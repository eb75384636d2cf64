"""Makers that reduce the data of a run, based on gammapy's makers."""

from skyred.components.makers.adaptive_ring import AdaptiveRingBackground
from skyred.components.makers.fixed_sources import FixedSource
from skyred.components.makers.fov_background import FoVBackground
from skyred.components.makers.map_data import MapData
from skyred.components.makers.phase_background import PhaseBackground
from skyred.components.makers.reflected_regions import ReflectedRegions
from skyred.components.makers.ring import RingBackground
from skyred.components.makers.safe_mask import SafeMask
from skyred.components.makers.spectrum import SpectrumData

__all__ = [
    "AdaptiveRingBackground",
    "FixedSource",
    "FoVBackground",
    "MapData",
    "PhaseBackground",
    "ReflectedRegions",
    "RingBackground",
    "SafeMask",
    "SpectrumData",
]
