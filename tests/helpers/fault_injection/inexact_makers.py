"""Makers with projections in which one value differs from gammapy's."""

from __future__ import annotations

from typing import Any

import numpy as np
from gammapy.data import GTI
from gammapy.makers import MapDatasetMaker

from skyred import Maker, component, option
from skyred.components.makers.map_data import MapData
from skyred.components.projection.makers import MapProjection
from skyred.interfaces.reference import run_with_reference


def change_quantity(dataset: Any, quantity: str, factor: float = 1 + 1e-4) -> None:
    """Multiply a value of a dataset, the largest one of a map, by a factor."""
    if quantity == "livetime":
        dataset.exposure.meta["livetime"] *= factor
    elif quantity == "good time intervals":
        gti, reference = dataset.gti, dataset.gti.time_start[0]
        start = (gti.time_start - reference).to("s")
        dataset.gti = GTI.create(start, start + gti.time_delta.to("s") * factor, reference)
    elif quantity == "safe mask":
        dataset.mask_safe.data.ravel()[7] ^= True
    else:
        data = find_map(dataset, quantity).data
        data.ravel()[np.nanargmax(data)] *= factor


def find_map(dataset: Any, quantity: str) -> Any:
    """Return the map of a quantity of a dataset."""
    irf_map = {"PSF": dataset.psf, "energy dispersion": dataset.edisp}.get(
        quantity.removeprefix("exposure of the ")
    )
    if irf_map is None:
        return getattr(dataset, quantity)
    return irf_map.exposure_map if quantity.startswith("exposure") else irf_map._irf_map


class InexactProjection(MapProjection):
    """A projection with one value that is too large by 1e-4."""

    tag = "InexactProjection"

    def __init__(self, quantity: str) -> None:
        super().__init__()
        self.quantity = quantity

    def run(self, dataset: Any, observation: Any) -> Any:
        dataset = super().run(dataset, observation)
        change_quantity(dataset, self.quantity)
        return dataset


@component
class InexactMapData(MapData):
    """A maker with an inexact projection."""

    kind = "inexact-map"
    quantity: str = option("background", type=str, doc="The quantity that differs.")

    def make(self, dataset: Any, observation: Any) -> Any:
        projection = InexactProjection(self.quantity)
        return run_with_reference(projection, MapDatasetMaker(), dataset, observation)


@component
class ScaledMapData(MapData):
    """A maker that multiplies the background of the built-in projection by 2."""

    kind = "scaled-map"

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset = super().make(dataset, observation)
        dataset.background.data *= 2
        return dataset


@component
class OwnMapData(Maker):
    """A maker with its own projection, without a reference."""

    kind = "own-map"
    needs = None

    def make(self, dataset: Any, observation: Any) -> Any:
        return MapDatasetMaker().run(dataset, observation)
