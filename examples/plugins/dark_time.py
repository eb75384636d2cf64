"""The selector `dark-time`: runs without moonlight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyred import Selector, component, hookimpl, option, quantity

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import ObservationTable


@component
class DarkTime(Selector):
    """Select runs with the moon low in the sky, or with little of it illuminated, at mid-run."""

    kind = "dark-time"
    altitude_max: Quantity = quantity(
        "0 deg", min="-90 deg", max="90 deg", doc="Largest altitude of the moon in dark time."
    )
    illumination_max: float = option(
        0.1, min=0.0, max=1.0, doc="Illuminated fraction of the moon that is accepted at any time."
    )

    def select(self, table: ObservationTable) -> ObservationTable:
        """Return the rows of the runs in dark time."""
        from astropy.coordinates import AltAz, get_body, solar_system_ephemeris
        from astropy.utils import iers
        from gammapy.utils.fits import earth_location_from_dict

        if len(table) == 0:
            return table
        time = table.time_start + (table.time_stop - table.time_start) / 2
        location = earth_location_from_dict(table.meta)
        # tables that are part of astropy, so that nothing is downloaded
        offline_tables = iers.earth_orientation_table.set(iers.IERS_B.open())
        with offline_tables, iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
            with solar_system_ephemeris.set("builtin"):
                moon, sun = get_body("moon", time), get_body("sun", time)
            frame = AltAz(obstime=time, location=location)
            altitude = moon.transform_to(frame).alt
        elongation = sun.separation(moon, origin_mismatch="ignore")
        illumination = (1 - np.cos(elongation)) / 2
        return table[(altitude <= self.altitude_max) | (illumination <= self.illumination_max)]


@hookimpl
def skyred_components() -> list[type]:
    """Return the selector."""
    return [DarkTime]
