"""Index tables of a simulated archive, built from the headers of its files.

gammapy's `DataStoreMaker` is not used, since it assumes the HDU names of CTA-1DC.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

from skyred.components.simulation.files import CONVENTION

HDU_COLUMNS = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME", "SIZE")
COLUMNS_IN_DEG = (
    *("RA_PNT", "DEC_PNT", "GLON_PNT", "GLAT_PNT", "ZEN_PNT", "ALT_PNT", "AZ_PNT"),
    *("RA_OBJ", "DEC_OBJ", "OFFSET_OBJ"),
)
COLUMNS_IN_S = ("ONTIME", "LIVETIME", "TSTART", "TSTOP")
# keywords of the EVENTS header that become columns of the observation index
HEADER_COLUMNS = (
    *("OBS_ID", "OBS_MODE", "TELESCOP", "INSTRUME", "RA_PNT", "DEC_PNT", "ALT_PNT", "AZ_PNT"),
    *("OBJECT", "RA_OBJ", "DEC_OBJ", *COLUMNS_IN_S, "DEADC", "DATE-OBS", "DATE-END"),
    *("N_TELS", "TELLIST"),
)
# keywords with the same value for all runs
META_KEYS = ("MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS", "TIMEREF", "GEOLON", "GEOLAT", "ALTITUDE")
# HDU_TYPE in the index by HDUCLAS2 in the headers of IRFs
HDU_TYPES = {"EFF_AREA": "aeff", "EDISP": "edisp", "RPSF": "psf", "BKG": "bkg"}


def build_index_tables(folder: Path, names: Iterable[str]) -> tuple[fits.HDUList, fits.HDUList]:
    """Build the HDU index and the observation index of an archive.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the archive.
    names : iterable of str
        The paths of the DL3 files, relative to the folder, with forward slashes.

    Returns
    -------
    tuple of astropy.io.fits.HDUList
        The HDU index and the observation index, as in GADF 0.2.
    """
    rows: list[tuple[Any, ...]] = []
    observations: list[dict[str, Any]] = []
    meta: dict[str, Any] = {}
    for name in names:
        with fits.open(folder / name) as hdus:
            rows += hdu_rows(hdus, name)
            observations.append(observation_row(hdus["EVENTS"].header))
            meta = {key: hdus["EVENTS"].header[key] for key in META_KEYS}
    hdu_table, obs_table = Table(rows=rows, names=HDU_COLUMNS), Table(rows=observations)
    for column in COLUMNS_IN_DEG:
        obs_table[column].unit = "deg"
    for column in COLUMNS_IN_S:
        obs_table[column].unit = "s"
    obs_table.meta.update(meta)
    return _index_hdus(hdu_table, "HDU"), _index_hdus(obs_table, "OBS")


def hdu_rows(hdus: fits.HDUList, name: str) -> list[tuple[Any, ...]]:
    """Return the rows of the HDU index for a DL3 file.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The HDUs of the file.
    name : str
        The path of the file, relative to the folder of the archive.

    Returns
    -------
    list of tuple
        One row per HDU, with the columns `HDU_COLUMNS`; SIZE is in bytes, uncompressed.
    """
    directory, _, file_name = name.rpartition("/")
    obs_id = hdus["EVENTS"].header["OBS_ID"]
    rows = []
    for hdu in hdus[1:]:
        hdu_type = hdu_class = hdu.header["HDUCLAS1"].lower()
        if hdu_type == "response":
            hdu_type = HDU_TYPES[hdu.header["HDUCLAS2"]]
            hdu_class = hdu.header["HDUCLAS4"].lower()
        file_info = hdu.fileinfo()
        size = file_info["datLoc"] + file_info["datSpan"] - file_info["hdrLoc"]
        rows.append((obs_id, hdu_type, hdu_class, directory, file_name, hdu.name, size))
    return rows


def observation_row(header: fits.Header) -> dict[str, Any]:
    """Return the row of the observation index for a run.

    Parameters
    ----------
    header : astropy.io.fits.Header
        The header of the EVENTS extension.

    Returns
    -------
    dict of str to object
        The values by column.
    """
    row = {key: header[key] for key in HEADER_COLUMNS}
    pointing = SkyCoord(row["RA_PNT"], row["DEC_PNT"], unit="deg", frame="icrs")
    target = SkyCoord(row["RA_OBJ"], row["DEC_OBJ"], unit="deg", frame="icrs")
    row["GLON_PNT"] = pointing.galactic.l.deg
    row["GLAT_PNT"] = pointing.galactic.b.deg
    row["ZEN_PNT"] = 90 - row["ALT_PNT"]
    row["OFFSET_OBJ"] = pointing.separation(target).deg
    row["QUALITY"] = 0
    row["EVENT_COUNT"] = header["NAXIS2"]
    return row


def _index_hdus(table: Table, index_type: str) -> fits.HDUList:
    """Convert an index table to HDUs; the type is "HDU" or "OBS"."""
    table.meta.update(
        {
            **CONVENTION,
            "HDUCLAS1": "INDEX",
            "HDUCLAS2": index_type,
            "EXTNAME": f"{index_type}_INDEX",
        }
    )
    return fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table)])
