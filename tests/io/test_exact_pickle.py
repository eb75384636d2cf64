"""Copies of world coordinate systems have the same numbers, to the last bit."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.wcs import WCS

from skyred.io.exact_pickle import dump_exactly

THIRD = 1 / 3  # its 17 digits do not fit in a FITS header
AXES = {"NAXIS": 2, "NAXIS1": 40, "NAXIS2": 30, "CUNIT1": "deg", "CUNIT2": "deg"}
CENTRE = {"CRPIX1": 20 + THIRD, "CRPIX2": 15 - THIRD, "CRVAL1": 83 + THIRD, "CRVAL2": 22 - THIRD}
TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
STEPS = {"CDELT1": -0.1 * THIRD, "CDELT2": 0.1 * THIRD}
ROTATED = {"1_1": 0.9 + THIRD / 10, "1_2": THIRD, "2_1": -THIRD, "2_2": 0.9 + THIRD / 10}
SYSTEMS = {
    "steps": TAN | STEPS,
    "PC": TAN | STEPS | {f"PC{indices}": value for indices, value in ROTATED.items()},
    "CD": TAN | {f"CD{indices}": 0.1 * value for indices, value in ROTATED.items()},
    "CROTA": TAN | STEPS | {"CROTA2": 10 + THIRD},
    "PV": STEPS | {"CTYPE1": "RA---SZP", "CTYPE2": "DEC--SZP", "PV2_1": 2 + THIRD,
                   "PV2_2": 180 + THIRD, "PV2_3": 60 + THIRD},
    "LONPOLE": STEPS | {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "LONPOLE": 10 + THIRD,
                        "LATPOLE": 60 + THIRD},
}  # fmt: skip


def create_wcs(cards: dict[str, Any]) -> WCS:
    """Create a coordinate system whose numbers have all digits, unlike those of a header."""
    header = Header()
    header.update(AXES | CENTRE | cards)
    return WCS(header)


@pytest.mark.parametrize("name", SYSTEMS)
def test_coordinates_of_copies_are_bit_identical(name):
    wcs = create_wcs(SYSTEMS[name])
    x, y = np.meshgrid(np.linspace(0, 39, 14), np.linspace(0, 29, 11))
    sky = wcs.wcs_pix2world(x, y, 0)
    assert np.isfinite(sky).all()
    copied = pickle.loads(dump_exactly(wcs))
    for values, expected in zip(copied.wcs_pix2world(x, y, 0), sky, strict=True):
        assert values.tobytes() == expected.tobytes()
    pixels = zip(copied.wcs_world2pix(*sky, 0), wcs.wcs_world2pix(*sky, 0), strict=True)
    for values, expected in pixels:
        assert values.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", SYSTEMS)
def test_copies_have_the_same_kind_of_matrix_and_cause_no_warning(name):
    wcs = create_wcs(SYSTEMS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copied = pickle.loads(dump_exactly(wcs))
        copied = pickle.loads(dump_exactly(copied))
    for test in ("has_pc", "has_cd", "has_crota"):
        assert getattr(copied.wcs, test)() == getattr(wcs.wcs, test)()
    assert copied.wcs.get_pv() == wcs.wcs.get_pv()
    assert (copied.wcs.lonpole, copied.wcs.latpole) == (wcs.wcs.lonpole, wcs.wcs.latpole)
