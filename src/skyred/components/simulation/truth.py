"""What is put in: a steady point source like the Crab, the background, and the runs' numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from gammapy.modeling.models import Models


@attrs.frozen
class TrueValue:
    """One parameter of the simulated source.

    Parameters
    ----------
    value : float
        Its value.
    unit : str
        The unit, as astropy reads it; empty if it has none.
    """

    value: float
    unit: str


SOURCE = "crab"
LON_0 = TrueValue(83.63308, "deg")
LAT_0 = TrueValue(22.01450, "deg")
INDEX = TrueValue(2.6, "")
AMPLITUDE = TrueValue(4.0e-11, "cm-2 s-1 TeV-1")
REFERENCE = TrueValue(1.0, "TeV")
BACKGROUND_NORM = 1.0
FIRST_OBS_ID = 900001
"""Beyond those of all real H.E.S.S. runs."""


def true_parameters() -> dict[str, TrueValue]:
    """Give the true parameters by the names that gammapy has for them.

    The position is ICRS; the spectrum is dN/dE = amplitude (E / reference)**-index.
    """
    return {
        "lon_0": LON_0,
        "lat_0": LAT_0,
        "index": INDEX,
        "amplitude": AMPLITUDE,
        "reference": REFERENCE,
    }


def true_models() -> Models:
    """Build the truth as gammapy models.

    Returns
    -------
    gammapy.modeling.models.Models
        One `SkyModel` named "crab"; always new, because gammapy's sampler adds to what it is given.
    """
    from gammapy.modeling.models import (
        Models,
        PointSpatialModel,
        PowerLawSpectralModel,
        SkyModel,
    )

    values: dict[str, Any] = {
        name: f"{true.value!r} {true.unit}" for name, true in true_parameters().items()
    }
    spatial = PointSpatialModel(lon_0=values["lon_0"], lat_0=values["lat_0"], frame="icrs")
    spectral = PowerLawSpectralModel(
        index=INDEX.value, amplitude=values["amplitude"], reference=values["reference"]
    )
    return Models([SkyModel(spatial_model=spatial, spectral_model=spectral, name=SOURCE)])
