"""DL3 archives: the folder or index file of a data store, or a list of DL3 files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import ArchiveError

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU
    from gammapy.data import DataStore, ObservationTable

log = logging.getLogger(__name__)

HDU_INDEX = "hdu-index.fits.gz"
HEADER_COLUMNS = (
    "RA_PNT", "DEC_PNT", "ALT_PNT", "AZ_PNT", "ONTIME", "LIVETIME", "DEADC", "TSTART", "TSTOP",
    "OBJECT", "RA_OBJ", "DEC_OBJ", "DATE-OBS", "DATE-END", "N_TELS",
)  # fmt: skip
TIME_KEYS = (
    "MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS", "TIMEREF", "GEOLON", "GEOLAT", "ALTITUDE",
)  # fmt: skip
UNITS = {
    **dict.fromkeys(("RA_PNT", "DEC_PNT", "ALT_PNT", "AZ_PNT", "RA_OBJ", "DEC_OBJ"), "deg"),
    **dict.fromkeys(("ONTIME", "LIVETIME", "TSTART", "TSTOP"), "s"),
}


def open_archive(location: str | tuple[str, ...]) -> DataStore | None:
    """Open an archive.

    Parameters
    ----------
    location : str or tuple of str
        A folder with index files, an HDU index file (``hdu-index...fits``), or DL3 files.

    Returns
    -------
    gammapy.data.DataStore or None
        The data store; None if the location is none of these.

    Raises
    ------
    ArchiveError
        If a file or folder does not exist, or is not a DL3 store.
    """
    if isinstance(location, tuple):
        return from_files([Path(path_name) for path_name in location])
    if ":" in location and not Path(location).exists():
        return None  # the scheme of another plugin, such as sim:
    path = Path(location)
    if not path.exists():
        raise ArchiveError(f"no such archive: {location}; check the path")
    if path.is_dir():
        return _from_index(path, HDU_INDEX)
    if "hdu-index" in path.name:
        return _from_index(path.parent, path.name)
    return from_files([path])


def _from_index(folder: Path, name: str) -> DataStore:
    """Open a data store by its HDU index and the observation index in the same folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the index files.
    name : str
        The name of the HDU index.

    Returns
    -------
    gammapy.data.DataStore
        The data store.

    Raises
    ------
    ArchiveError
        If an index is missing or cannot be read.
    """
    from gammapy.data import DataStore, HDUIndexTable, ObservationTable

    if not (folder / name).exists() and (folder / name.removesuffix(".gz")).exists():
        name = name.removesuffix(".gz")
    index = folder / name
    if not index.is_file():
        raise ArchiveError(
            f"{folder} is not a DL3 store: it has no {HDU_INDEX}; "
            "specify the index file, or list the DL3 files"
        )
    observations = folder / name.replace("hdu-index", "obs-index")
    if not observations.is_file():
        raise ArchiveError(f"{folder} has {name}, but no {observations.name}")
    try:
        hdus = HDUIndexTable.read(index, format="fits")
        table = ObservationTable.read(observations, format="fits")
        _warn_about_duplicates(table, observations)
        return DataStore(hdu_table=hdus, obs_table=table)
    except (OSError, ValueError, KeyError) as error:
        raise ArchiveError(f"the index {index} cannot be read: {error}") from None


def _warn_about_duplicates(table: ObservationTable, index: Path) -> None:
    # gammapy silently uses the first row of each run
    runs, counts = np.unique(np.asarray(table["OBS_ID"]), return_counts=True)
    if duplicates := runs[counts > 1].tolist():
        run_list = ", ".join(str(run) for run in duplicates[:10])
        log.warning("%s has several rows for the runs %s: the first row is used", index, run_list)


def from_files(paths: list[Path]) -> DataStore:
    """Create a data store from DL3 files, with an index built from their headers.

    gammapy's own function assumes the HDU names of one simulated data set; this one reads the class
    keywords of each header.

    Parameters
    ----------
    paths : list of pathlib.Path
        The DL3 files.

    Returns
    -------
    gammapy.data.DataStore
        The data store.

    Raises
    ------
    ArchiveError
        If a file does not exist, is not a DL3 file, or has the OBS_ID of another one.
    """
    from astropy.table import Table
    from gammapy.data import DataStore, HDUIndexTable, ObservationTable

    hdus: list[dict[str, Any]] = []
    observations: list[dict[str, Any]] = []
    meta: dict[str, Any] = {}
    first_files: dict[int, Path] = {}
    for path in paths:
        if not path.is_file():
            raise ArchiveError(f"no such file: {path}; check the path")
        rows, observation, meta = _read_headers(path)
        if _is_duplicate(first_files, observation["OBS_ID"], path):
            continue
        hdus += rows
        observations.append(observation)
    table = ObservationTable(Table(rows=observations))
    for name, unit in UNITS.items():
        if name in table.colnames:
            table[name].unit = unit
    table.meta.update(meta)
    index = HDUIndexTable(Table(rows=hdus))
    index.meta["BASE_DIR"] = "/"
    return DataStore(hdu_table=index, obs_table=table)


def _is_duplicate(first_files: dict[int, Path], obs_id: int, path: Path) -> bool:
    """Return whether a file was listed before; raise if another file has the same OBS_ID."""
    # gammapy would use the first file of a run, and warn once for each of its HDUs
    first_file = first_files.setdefault(obs_id, path)
    if first_file is path:
        return False
    if first_file.resolve() != path.resolve():
        raise ArchiveError(
            f"{first_file} and {path} both contain run {obs_id}: list only one of them"
        )
    log.warning("the DL3 file %s is listed twice: it is used once", path)
    return True


def _read_headers(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """Return the HDU index rows, the observation row and the time keywords of a DL3 file.

    Parameters
    ----------
    path : pathlib.Path
        The DL3 file.

    Returns
    -------
    tuple of list of dict, dict and dict
        The rows of the HDU index, the row of the observation index, and the time keywords.

    Raises
    ------
    ArchiveError
        If the file cannot be read, or has no events.
    """
    from astropy.io import fits

    path = path.resolve()
    try:
        with fits.open(path) as hdus:
            events = next((hdu for hdu in hdus if _type_of(hdu) == "events"), None)
            if events is None:
                raise ArchiveError(f"{path} is not a DL3 file: it has no EVENTS extension")
            header = events.header
            obs_id = int(header["OBS_ID"])
            rows = [
                {"OBS_ID": obs_id, "HDU_TYPE": kind, "HDU_CLASS": _class_of(hdu, kind),
                 "FILE_DIR": str(path.parent).lstrip("/"), "FILE_NAME": path.name,
                 "HDU_NAME": hdu.name, "SIZE": 0}
                for hdu, kind in _iterate_types(hdus)
            ]  # fmt: skip
            columns = {name: header[name] for name in HEADER_COLUMNS if name in header}
            meta = {name: header[name] for name in TIME_KEYS if name in header}
    except (OSError, KeyError) as error:
        raise ArchiveError(f"{path} cannot be read as a DL3 file: {error}") from None
    return rows, {"OBS_ID": obs_id, **columns}, meta


def _iterate_types(hdus: Any) -> Iterator[tuple[BinTableHDU, str]]:
    """Yield the HDUs that gammapy reads, with their types."""
    for hdu in hdus[1:]:
        if kind := _type_of(hdu):
            yield hdu, kind


def _type_of(hdu: BinTableHDU) -> str:
    """Return gammapy's type of an HDU; "" if gammapy does not read it.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU
        The HDU.

    Returns
    -------
    str
        The type, such as "events" or "aeff".
    """
    primary_class = str(hdu.header.get("HDUCLAS1", "")).lower()
    if hdu.name in ("EVENTS", "GTI") or primary_class in ("events", "gti"):
        return str(hdu.name.lower() if hdu.name in ("EVENTS", "GTI") else primary_class)
    secondary_class = str(hdu.header.get("HDUCLAS2", "")).lower()
    types = {
        "eff_area": "aeff",
        "edisp": "edisp",
        "rpsf": "psf",
        "bkg": "bkg",
        "rad_max": "rad_max",
    }
    return types.get(secondary_class, "") if primary_class == "response" else ""


def _class_of(hdu: BinTableHDU, kind: str) -> str:
    """Return gammapy's class of an HDU: for IRFs, the value of HDUCLAS4.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU
        The HDU.
    kind : str
        Its type.

    Returns
    -------
    str
        The class, such as "events" or "aeff_2d".
    """
    if kind in ("events", "gti"):
        return kind
    return str(hdu.header["HDUCLAS4"]).lower()
