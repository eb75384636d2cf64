"""TS maps: the norm of a source in every pixel of a map, all pixels at once."""

from skyred.likelihood.flux.ts_map.flux_maps import TSMapMaker
from skyred.likelihood.flux.ts_map.layers import Layer
from skyred.likelihood.flux.ts_map.pixels import NormMaps, Wanted, norm_maps

__all__ = ["Layer", "NormMaps", "TSMapMaker", "Wanted", "norm_maps"]
