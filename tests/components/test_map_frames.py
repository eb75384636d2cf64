"""Map centres are converted to the frame of the map; ambiguous centres are rejected."""

from __future__ import annotations

from typing import Any

import pytest
from astropy.coordinates import SkyCoord

from skyred.components.geometries import EnergyAxis, MapGeometry
from skyred.errors import FieldError


def galactic_map(center: Any) -> MapGeometry:
    energy = EnergyAxis(min="1 TeV", max="10 TeV", bins=2)
    return MapGeometry(
        center=center, width="2 deg", frame="galactic", energy=energy, energy_true=energy
    )


@pytest.mark.parametrize(
    "center",
    [
        {"l": "0 deg", "b": "0 deg"},
        {"lon": "0 deg", "lat": "0 deg", "frame": "galactic"},
        SkyCoord(0, 0, unit="deg", frame="galactic"),
    ],
)
def test_map_is_centred_on_galactic_coordinates(center: Any) -> None:
    position = galactic_map(center).build().center_skydir
    expected = SkyCoord(0, 0, unit="deg", frame="galactic")
    assert position.separation(expected).to_value("arcsec") < 1e-3


def test_equatorial_centre_is_converted() -> None:
    position = galactic_map({"ra": "83.633 deg", "dec": "22.014 deg"}).build().center_skydir
    expected = SkyCoord(83.633, 22.014, unit="deg", frame="icrs")
    assert position.separation(expected).to_value("arcsec") < 1e-3


def test_center_without_frame_is_rejected_in_galactic_maps() -> None:
    with pytest.raises(FieldError, match="ambiguous with frame: galactic"):
        galactic_map(["0 deg", "0 deg"])
