"""The maker `zenith-threshold`: an energy threshold that rises with the zenith angle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred import Maker, SkipObservation, component, hookimpl, option, quantity

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset


@component
class ZenithThreshold(Maker):
    """Exclude energies below E0 cos(zenith)^-a from the safe mask."""

    kind = "zenith-threshold"
    makes = ("mask",)
    energy: Quantity = quantity(
        "0.2 TeV", min="1 GeV", max="100 TeV", doc="Energy threshold at zenith, E0."
    )
    exponent: float = option(2.5, min=0.0, max=10.0, doc="Exponent of 1 / cos(zenith), a.")

    def make(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Remove the bins that extend below the threshold at mid-run from the safe mask.

        Raises
        ------
        SkipObservation
            If all energies are below the threshold, or the telescope points below the horizon.
        """
        zenith = observation.get_pointing_altaz(observation.tmid).zen
        if np.cos(zenith) <= 0:
            raise SkipObservation(f"zenith angle {zenith.to_value('deg'):.1f} deg")
        threshold = self.energy * np.cos(zenith) ** -self.exponent
        geom = dataset.counts.geom
        mask = geom.energy_mask(energy_min=threshold, round_to_edge=False)
        if not mask.data.any():
            raise SkipObservation(f"all energies are below {threshold.to('TeV'):.3g}")
        dataset.mask_safe = mask if dataset.mask_safe is None else dataset.mask_safe & mask
        return dataset


@hookimpl
def skyred_components() -> list[type]:
    """Return the maker."""
    return [ZenithThreshold]
