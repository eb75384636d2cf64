"""The maker `zenith-veto`: skips runs at large zenith angles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyred import Maker, SkipObservation, component, quantity

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset


@component
class ZenithVeto(Maker):
    """Skip runs at large zenith angles."""

    kind = "zenith-veto"
    zenith_max: Quantity = quantity(
        "50 deg", min="0 deg", max="90 deg", doc="Largest zenith angle of a run, at mid-run."
    )

    def make(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Return the dataset unchanged.

        Raises
        ------
        SkipObservation
            If the zenith angle at mid-run is above the limit.
        """
        zenith = observation.get_pointing_altaz(observation.tmid).zen
        if zenith > self.zenith_max:
            raise SkipObservation(
                f"zenith angle {zenith.to_value('deg'):.1f} deg is above {self.zenith_max}"
            )
        return dataset
