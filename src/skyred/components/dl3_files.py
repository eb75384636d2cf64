"""Data stores for DL3 files without an index: the index is built from their headers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ArchiveError, format_list
from skyred.inspection.units import conversion_factor
from skyred.io.index_files import set_index_files

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU
    from gammapy.data import DataStore

log = logging.getLogger(__name__)

SUFFIXES = (".fits", ".fits.gz", ".fit", ".fit.gz", ".fts", ".fts.gz")

# keywords of the EVENTS header that become columns of the observation index
HEADER_COLUMNS = (
    "RA_PNT", "DEC_PNT", "ALT_PNT", "AZ_PNT", "ONTIME", "LIVETIME", "DEADC", "TSTART", "TSTOP",
    "OBJECT", "RA_OBJ", "DEC_OBJ", "DATE-OBS", "DATE-END", "N_TELS",
)  # fmt: skip
TIME_KEYS = (
    "MJDREFI", "MJDREFF", "TIMEUNIT", "TIMESYS", "TIMEREF", "GEOLON", "GEOLAT", "ALTITUDE",
)  # fmt: skip
DAY = 86400.0  # s
UNITS = {
    **dict.fromkeys(("RA_PNT", "DEC_PNT", "ALT_PNT", "AZ_PNT", "RA_OBJ", "DEC_OBJ"), "deg"),
    **dict.fromkeys(("ONTIME", "LIVETIME", "TSTART", "TSTOP"), "s"),
}


@attrs.frozen
class Dl3Header:
    """The rows of the index tables for one DL3 file, from its headers.

    Parameters
    ----------
    hdus : list of dict
        The rows of the HDU index.
    observation : dict
        The row of the observation index.
    meta : dict
        The keywords of the time reference and of the site.
    """

    hdus: list[dict[str, Any]]
    observation: dict[str, Any]
    meta: dict[str, Any]


def find_fits_files(folder: Path) -> list[Path]:
    """Find the FITS files in a folder and its subfolders.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.

    Returns
    -------
    list of pathlib.Path
        The regular files and links to regular files, sorted. Hidden files, and files in hidden
        subfolders, are left out.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(SUFFIXES)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()  # not a folder, a pipe or a device
    )


def open_dl3_files(paths: Iterable[Path], *, skip_other_files: bool = False) -> DataStore:
    """Create a data store from DL3 files, with an index built from their headers.

    `DataStore.from_events_files` of gammapy assumes the HDU names of CTA-1DC; this function reads
    the HDUCLAS keywords of each header instead.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        The DL3 files.
    skip_other_files : bool
        Whether to skip FITS files without events with a warning, instead of raising an error.

    Returns
    -------
    gammapy.data.DataStore
        The data store.

    Raises
    ------
    ArchiveError
        If a file does not exist, is not a DL3 file, or has the same OBS_ID or not the same time
        scale as another file, or if there are no DL3 files.
    """
    headers: list[Dl3Header] = []
    other_files: list[Path] = []
    first_files: dict[int, Path] = {}
    for path in paths:
        header = read_header(path)
        if header is not None and not _is_duplicate(first_files, header, path):
            headers.append(header)
        elif header is None and not skip_other_files and not is_index(path):
            raise ArchiveError(
                f"{path} is not a DL3 file: it has no EVENTS extension; expected DL3 files, or "
                "their folder, in which other files are ignored"
            )
        elif header is None:
            other_files.append(path)
    _warn_about_other_files([path for path in other_files if not is_index(path)])
    if not headers:
        raise ArchiveError(
            f"{other_files[0]} has no events: expected DL3 files" if other_files else "no DL3 files"
        )
    return _create_store(headers)


def is_index(path: Path) -> bool:
    """Return whether a file has the name of an index of an archive.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    bool
        True for ``hdu-index...`` and ``obs-index...``.
    """
    return "hdu-index" in path.name or "obs-index" in path.name


def _warn_about_other_files(paths: list[Path]) -> None:
    """Log a warning about FITS files without events, such as separate IRF files."""
    if paths:
        names = format_list(paths, 5)
        log.warning(
            "not used: FITS files without events (separate IRF files need an index): %s", names
        )


def _create_store(headers: list[Dl3Header]) -> DataStore:
    """Create a data store from the headers of DL3 files."""
    from astropy.table import Table
    from gammapy.data import DataStore, HDUIndexTable, ObservationTable

    table = ObservationTable(Table(rows=_with_common_times(headers)))
    for name, unit in UNITS.items():
        if name in table.colnames:
            table[name].unit = unit
    table.meta.update({**headers[0].meta, "TIMEUNIT": "s"})
    index = HDUIndexTable(Table(rows=[row for header in headers for row in header.hdus]))
    index.meta["BASE_DIR"] = "/"
    set_index_files(index, [])
    return DataStore(hdu_table=index, obs_table=table)


def _is_duplicate(first_files: dict[int, Path], header: Dl3Header, path: Path) -> bool:
    """Return whether a file was listed before; raise if another file has the same OBS_ID."""
    # gammapy would use the first file of a run, and warn once for each of its HDUs
    obs_id = header.observation["OBS_ID"]
    first_file = first_files.setdefault(obs_id, path)
    if first_file is path:
        return False
    if first_file.resolve() != path.resolve():
        raise ArchiveError(
            f"{first_file} and {path} both contain run {obs_id}: list only one of them"
        )
    log.warning("the DL3 file %s is listed twice: it is used once", path)
    return True


def read_header(path: Path) -> Dl3Header | None:
    """Read the rows of the index tables from the headers of a DL3 file.

    Parameters
    ----------
    path : pathlib.Path
        The DL3 file.

    Returns
    -------
    Dl3Header or None
        The rows; None if the file has no events.

    Raises
    ------
    ArchiveError
        If the file does not exist or cannot be read, or a keyword is missing.
    """
    from astropy.io import fits

    if not path.exists():
        raise ArchiveError(f"no such file: {path}; check the path")
    if not path.is_file():
        raise ArchiveError(f"{path} is not a regular file; expected a DL3 file")
    path = path.resolve()
    try:
        with fits.open(path) as hdus:
            events = next((hdu for hdu in hdus if _hdu_type(hdu) == "events"), None)
            return None if events is None else _collect_rows(path, hdus, events.header)
    except (OSError, KeyError, ValueError, TypeError) as error:
        reason = str(error).strip("\"'") or type(error).__name__
        raise ArchiveError(
            f"{path} cannot be read as a DL3 file: {reason}; repair it, or leave it out"
        ) from None


def _collect_rows(path: Path, hdus: Any, events_header: Any) -> Dl3Header:
    """Return the rows of the index tables for the HDUs of a DL3 file."""
    obs_id = int(events_header["OBS_ID"])
    # FILE_DIR is relative to the BASE_DIR of the index, "/"
    location = {"FILE_DIR": str(path.parent).lstrip("/"), "FILE_NAME": path.name}
    rows = [
        {"OBS_ID": obs_id, "HDU_TYPE": hdu_type, "HDU_CLASS": _hdu_class(hdu, hdu_type), **location,
         "HDU_NAME": hdu.name, "SIZE": 0}
        for hdu, hdu_type in _iter_hdus_with_types(hdus)
    ]  # fmt: skip
    columns = {name: events_header[name] for name in HEADER_COLUMNS if name in events_header}
    meta = {name: events_header[name] for name in TIME_KEYS if name in events_header}
    return Dl3Header(rows, {"OBS_ID": obs_id, **columns}, meta)


def _with_common_times(headers: list[Dl3Header]) -> list[dict[str, Any]]:
    """Return the rows of the observation index, with times since the reference of the first file.

    A table has one reference time for all rows, whereas each file has its own.

    Raises
    ------
    ArchiveError
        If the files have different time scales.
    """
    scales = {str(header.meta.get("TIMESYS", "TT")).lower() for header in headers}
    if len(scales) > 1:
        raise ArchiveError(
            f"the DL3 files have different time scales (TIMESYS: {', '.join(sorted(scales))}): "
            "put them into separate entries of data:"
        )
    return [_shift_times(header, headers[0].meta) for header in headers]


def _shift_times(header: Dl3Header, reference: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a file, with TSTART and TSTOP in s since the reference time.

    Without them if their unit is unknown.
    """
    unit = str(header.meta.get("TIMEUNIT", "s")).strip()
    unit = unit.lower() if unit in ("D", "S") else unit
    seconds_per_unit = conversion_factor(unit, "s")
    if seconds_per_unit is None:  # a fault of the run, if it is selected
        return {
            name: value
            for name, value in header.observation.items()
            if name not in ("TSTART", "TSTOP")
        }
    days = sum(
        float(header.meta.get(name, 0)) - float(reference.get(name, 0))
        for name in ("MJDREFI", "MJDREFF")
    )
    times: dict[str, Any] = {
        name: float(header.observation[name]) * seconds_per_unit + days * DAY
        for name in ("TSTART", "TSTOP")
        if name in header.observation
    }
    return {**header.observation, **times}


def _iter_hdus_with_types(hdus: Any) -> Iterator[tuple[BinTableHDU, str]]:
    """Yield the HDUs that gammapy reads, with their types."""
    for hdu in hdus[1:]:
        if hdu_type := _hdu_type(hdu):
            yield hdu, hdu_type


def _hdu_type(hdu: BinTableHDU) -> str:
    """Return the type of an HDU, as in the column HDU_TYPE of the HDU index.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU
        The HDU.

    Returns
    -------
    str
        The type, such as "events" or "aeff"; "" if gammapy does not read the HDU.
    """
    primary_class = str(hdu.header.get("HDUCLAS1", "")).lower()
    if hdu.name in ("EVENTS", "GTI") or primary_class in ("events", "gti"):
        return str(hdu.name.lower() if hdu.name in ("EVENTS", "GTI") else primary_class)
    secondary_class = str(hdu.header.get("HDUCLAS2", "")).lower()
    types = {
        "eff_area": "aeff",
        "edisp": "edisp",
        "rpsf": "psf",
        "psf": "psf",
        "bkg": "bkg",
        "rad_max": "rad_max",
    }
    return types.get(secondary_class, "") if primary_class == "response" else ""


def _hdu_class(hdu: BinTableHDU, hdu_type: str) -> str:
    """Return the class of an HDU, as in the column HDU_CLASS of the HDU index: HDUCLAS4 for IRFs.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU
        The HDU.
    hdu_type : str
        The type of the HDU.

    Returns
    -------
    str
        The class, such as "events" or "aeff_2d".
    """
    if hdu_type in ("events", "gti"):
        return hdu_type
    return str(hdu.header["HDUCLAS4"]).lower()
