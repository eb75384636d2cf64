"""TS maps: the norm of a source in every pixel of a map, fitted for all pixels at once."""

from skyred.likelihood.flux.ts_map.flux_maps import TSMapFitter
from skyred.likelihood.flux.ts_map.layers import Layer
from skyred.likelihood.flux.ts_map.pixels import MapSelection, NormMaps, fit_norm_maps
from skyred.likelihood.flux.ts_map.precision import Precision

__all__ = ["Layer", "MapSelection", "NormMaps", "Precision", "TSMapFitter", "fit_norm_maps"]
