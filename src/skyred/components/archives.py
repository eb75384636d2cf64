"""Open DL3 archives: data stores with an index, or DL3 files without one."""

from __future__ import annotations

import glob
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyred.components.dl3_files import find_fits_files, open_dl3_files
from skyred.errors import ArchiveError, format_list
from skyred.inspection.astropy_tables import read_table
from skyred.io.index_files import (
    HDU_INDEX,
    find_hdu_index,
    find_obs_index,
    is_hdu_index,
    set_index_files,
)

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.data import DataStore, HDUIndexTable, ObservationTable

log = logging.getLogger(__name__)


def open_archive(location: str | tuple[str, ...]) -> DataStore | None:
    """Open an archive.

    Parameters
    ----------
    location : str or tuple of str
        One of the following: a folder with index files (also in its folder ``index``), a folder
        with DL3 files (also in subfolders) but no index, an HDU index file
        (``hdu-index...fits``), or DL3 files.

    Returns
    -------
    gammapy.data.DataStore or None
        The data store; None if the location contains a colon and does not exist, since it may have
        the scheme of another plugin, such as ``sim:``.

    Raises
    ------
    ArchiveError
        If a file or folder does not exist, or is not a readable DL3 archive.
    """
    if isinstance(location, tuple):
        return open_dl3_files(_list_files(location))
    if ":" in location and not Path(location).exists():
        return None  # perhaps the scheme of another plugin, such as sim:
    path = Path(location)
    if path.is_dir():
        return _open_folder(path)
    if not path.exists():
        raise ArchiveError(_missing_message(location))
    if is_hdu_index(path):
        return _open_index(path)
    return open_dl3_files([path])


def _missing_message(location: str) -> str:
    """Return the error message for an archive that does not exist."""
    if glob.has_magic(location):
        return f"no file matches the archive {location}"
    return f"no such archive: {location}; check the path"


def _open_folder(folder: Path) -> DataStore:
    """Open the index of a folder, or the DL3 files in it and its subfolders if it has no index."""
    if hdu_index := find_hdu_index(folder):
        if hdu_index.parent != folder:
            log.info("the index of %s is %s", folder, hdu_index)
        return _open_index(hdu_index)
    return open_dl3_files(_files_without_index(folder), skip_other_files=True)


def _files_without_index(folder: Path) -> list[Path]:
    """Return the FITS files in a folder and its subfolders.

    Raises
    ------
    ArchiveError
        If there are none, or if one of them is an index: the index may describe the files better
        than their headers.
    """
    paths = find_fits_files(folder)
    if index_files := [path for path in paths if is_hdu_index(path)]:
        names = format_list(index_files, 5)
        raise ArchiveError(
            f"{folder} has no {HDU_INDEX}, but index files with other names or in subfolders: "
            f"specify one of them as the archive ({names}), or a glob of the DL3 files"
        )
    if not paths:
        raise ArchiveError(
            f"{folder} is not a DL3 archive: it has no {HDU_INDEX} and no FITS files"
        )
    return paths


def _list_files(locations: tuple[str, ...]) -> list[Path]:
    """Return the files among the locations, and the FITS files in the folders among them.

    Raises
    ------
    ArchiveError
        If a file or folder does not exist, or a folder has an index.
    """
    files: list[Path] = []
    for path in map(Path, locations):
        if path.is_dir() and find_hdu_index(path) is not None:
            raise ArchiveError(
                f"{path} is a folder with an index, which cannot be combined with other archives: "
                f"put it into its own entry of data:, or list its DL3 files ({path}/*.fits.gz)"
            )
        if not path.exists():
            raise ArchiveError(
                _missing_message(str(path))
                if glob.has_magic(str(path))
                else f"no such file: {path}; check the path"
            )
        files += find_fits_files(path) if path.is_dir() else [path]
    return files


def _open_index(hdu_index: Path) -> DataStore:
    """Open a data store from its HDU index and the observation index in the same folder.

    Parameters
    ----------
    hdu_index : pathlib.Path
        The HDU index.

    Returns
    -------
    gammapy.data.DataStore
        The data store.

    Raises
    ------
    ArchiveError
        If an index is missing, not a regular file, or cannot be read.
    """
    from gammapy.data import DataStore, ObservationTable

    obs_index = find_obs_index(hdu_index)
    if not hdu_index.is_file():
        raise ArchiveError(f"{hdu_index} is not a regular file; expected a FITS file")
    if not obs_index.is_file():
        raise ArchiveError(f"{hdu_index.parent} has {hdu_index.name}, but no {obs_index.name}")
    try:
        hdu_table = _read_hdu_index(hdu_index)
        obs_table = ObservationTable(read_table(obs_index), copy=False)
        for table, path in ((hdu_table, hdu_index), (obs_table, obs_index)):
            _convert_text_ids(table, path)
        _warn_about_duplicates(obs_table, obs_index)
        set_index_files(hdu_table, [hdu_index, obs_index])
        return DataStore(hdu_table=hdu_table, obs_table=obs_table)
    except ArchiveError:
        raise
    except (OSError, ValueError, KeyError) as error:
        names = f"{hdu_index.name} and {obs_index.name}"
        raise ArchiveError(
            f"the index of {hdu_index.parent} ({names}) cannot be read: {error}"
        ) from None


def _read_hdu_index(path: Path) -> HDUIndexTable:
    """Read an HDU index, as gammapy's `HDUIndexTable.read`."""
    from gammapy.data import HDUIndexTable

    table = HDUIndexTable(read_table(path), copy=False)
    table.meta["BASE_DIR"] = path.parent.as_posix()
    table["FILE_DIR"].fill_value = ""
    return table.filled() if table.has_masked_columns else table


def _convert_text_ids(table: Table, path: Path) -> None:
    """Convert OBS_IDs that are stored as text to integers, in place, as gammapy requires.

    Raises
    ------
    ArchiveError
        If one of them is not an integer.
    """
    if table["OBS_ID"].dtype.kind not in "SU":
        return
    try:
        table["OBS_ID"] = [int(str(obs_id)) for obs_id in table["OBS_ID"]]
    except ValueError as error:
        raise ArchiveError(
            f"{path}: an OBS_ID is not an integer ({error}); gammapy requires integers"
        ) from None


def _warn_about_duplicates(table: ObservationTable, path: Path) -> None:
    """Log a warning if the observation index has several rows for a run."""
    # gammapy silently uses the first row of each run
    obs_ids, counts = np.unique(np.asarray(table["OBS_ID"]), return_counts=True)
    if duplicates := obs_ids[counts > 1].tolist():
        runs = format_list(duplicates, 10)
        log.warning("%s has several rows for the runs %s: the first row is used", path, runs)
