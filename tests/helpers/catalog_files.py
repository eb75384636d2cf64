"""Catalogue files in the format of 3FHL (Ajello et al. 2017, ApJS 232, 18), with chosen sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

FLUX = "cm-2 s-1 GeV-1"
TEXT_COLUMNS = ("ASSOC1", "ASSOC2", "ASSOC_TEV", "ASSOC_GAM", "CLASS", "Extended_Source_Name")


def write_3fhl(path: Path, names: list[str], positions: SkyCoord) -> None:
    """Write a catalogue of point sources with power laws of index 2.2."""
    n_sources = len(names)
    ones = np.ones(n_sources)
    icrs, galactic = positions.icrs, positions.galactic
    table = Table(
        {
            "Source_Name": names,
            "RAJ2000": icrs.ra.deg * u.deg,
            "DEJ2000": icrs.dec.deg * u.deg,
            "GLON": galactic.l.deg * u.deg,
            "GLAT": galactic.b.deg * u.deg,
            "Conf_95_SemiMajor": 0.01 * ones * u.deg,
            "Conf_95_SemiMinor": 0.01 * ones * u.deg,
            "Conf_95_PosAng": 0 * ones * u.deg,
            "Pivot_Energy": 50 * ones * u.GeV,
            "Flux_Density": u.Quantity(1e-14 * ones, FLUX),
            "Unc_Flux_Density": u.Quantity(1e-15 * ones, FLUX),
            "SpectrumType": ["PowerLaw"] * n_sources,
            "PowerLaw_Index": 2.2 * ones,
            "Unc_PowerLaw_Index": 0.1 * ones,
            "Spectral_Index": 2.2 * ones,
            "Unc_Spectral_Index": 0.1 * ones,
            "beta": 0 * ones,
            "Unc_beta": 0 * ones,
            **{name: [""] * n_sources for name in TEXT_COLUMNS},
        }
    )
    empty = Table({"x": [0]})
    names_of_hdus = ("LAT_Point_Source_Catalog", "ExtendedSources", "ROIs", "EnergyBounds")
    extended = Table(
        {
            "Source_Name": ["none"],
            "Spatial_Function": ["RadialDisk"],
            "Model_SemiMajor": [0.1] * u.deg,
            "Model_SemiMinor": [0.1] * u.deg,
            "Model_PosAng": [0.0] * u.deg,
            "Spatial_Filename": [""],
        }
    )
    hdus = [fits.table_to_hdu(part) for part in (table, extended, empty, empty)]
    for name, hdu in zip(names_of_hdus, hdus, strict=True):
        hdu.name = name
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
