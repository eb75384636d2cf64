"""Makers that modify the effective area or the background of observations."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from skyred import Maker, component, option, with_irfs


@component
class ScaledArea(Maker):
    """Scale the effective area, for systematic uncertainties."""

    kind = "test-scaled-area"
    needs = ("aeff",)
    makes = ()
    factor: float = option(1.1, min=0.1, doc="Factor of the effective area.")
    background: float = option(1.0, min=0.1, doc="Factor of the background.")

    def modify_observation(self, observation: Any) -> Any:
        aeff, bkg = copy.deepcopy(observation.aeff), copy.deepcopy(observation.bkg)
        aeff.data *= self.factor
        bkg.data *= self.background
        return with_irfs(observation, aeff=aeff, bkg=bkg)

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


@component
class LargestArea(Maker):
    """Store the largest effective area of all runs in `prepare`."""

    kind = "test-largest-area"
    area: float = option(0.0, doc="The area, set by `prepare`.")

    def prepare(self, observations: Any) -> Any:
        areas = [np.max(observation.aeff.data) for observation in observations]
        return self.evolve(area=float(max(areas)))

    def make(self, dataset: Any, observation: Any) -> Any:
        dataset.exposure.meta["largest area"] = self.area
        return dataset
