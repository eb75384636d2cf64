"""The makers, around gammapy's."""

from skyred.defaults.gammapy.makers.fov_background import FoVBackground
from skyred.defaults.gammapy.makers.map_data import MapData
from skyred.defaults.gammapy.makers.safe_mask import SafeMask

__all__ = ["FoVBackground", "MapData", "SafeMask"]
