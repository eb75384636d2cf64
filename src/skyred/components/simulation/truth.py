"""True parameters of the simulation: a steady point source like the Crab, and the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from gammapy.modeling.models import Models


@attrs.frozen
class TrueValue:
    """The true value of a parameter.

    Parameters
    ----------
    value : float
        The value.
    unit : str
        The unit, in the syntax of astropy; empty if it has none.
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
"""The OBS_ID of the first run, higher than those of real H.E.S.S. runs."""


def true_parameters() -> dict[str, TrueValue]:
    """Return the true parameters, with gammapy's names as keys.

    The position is ICRS; the spectrum is dN/dE = amplitude (E / reference)**-index.

    Returns
    -------
    dict of str to TrueValue
        The parameters.
    """
    return {
        "lon_0": LON_0,
        "lat_0": LAT_0,
        "index": INDEX,
        "amplitude": AMPLITUDE,
        "reference": REFERENCE,
    }


def true_models() -> Models:
    """Build gammapy models with the true parameters.

    Returns
    -------
    gammapy.modeling.models.Models
        One `SkyModel` named "crab"; a new object for each call, since gammapy's sampler changes it.
    """
    from gammapy.modeling.models import (
        Models,
        PointSpatialModel,
        PowerLawSpectralModel,
        SkyModel,
    )

    values: dict[str, Any] = {
        name: f"{true_value.value!r} {true_value.unit}"
        for name, true_value in true_parameters().items()
    }
    spatial = PointSpatialModel(lon_0=values["lon_0"], lat_0=values["lat_0"], frame="icrs")
    spectral = PowerLawSpectralModel(
        index=INDEX.value, amplitude=values["amplitude"], reference=values["reference"]
    )
    return Models([SkyModel(spatial_model=spatial, spectral_model=spectral, name=SOURCE)])
