"""A small absorption table in the XSPEC format, which gammapy reads."""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

REDSHIFTS = np.array([0.0, 0.1, 0.3, 0.6])
EDGES = np.geomspace(1e7, 1e11, 33)  # keV


def optical_depth(redshift: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return an optical depth that is 1 at redshift 0.1 and 1 TeV.

    Parameters
    ----------
    redshift : array
        Redshifts, shape (n,).
    energy : array
        Energies in keV, shape (m,).

    Returns
    -------
    array
        Optical depths, shape (n, m).
    """
    return 10 * np.multiply.outer(redshift, energy / 1e9)


def write_table(path: Path) -> Path:
    """Write the table, and return its path."""
    energy = np.sqrt(EDGES[:-1] * EDGES[1:])
    values = np.exp(-optical_depth(REDSHIFTS, energy))
    tables = {
        "PARAMETERS": Table({"NAME": ["redshift"], "VALUE": REDSHIFTS[None, :]}),
        "ENERGIES": Table({"ENERG_LO": EDGES[:-1], "ENERG_HI": EDGES[1:]}),
        "SPECTRA": Table({"PARAMVAL": REDSHIFTS, "INTPSPEC": values}),
    }
    hdus = [fits.PrimaryHDU()]
    for name, table in tables.items():
        hdus.append(fits.table_to_hdu(table))
        hdus[-1].name = name
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path)
    return path
