"""DL3 archives: the folder or index file of a data store, or DL3 files without an index."""

from __future__ import annotations

import glob
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyred.components.dl3_files import find_fits_files, from_files
from skyred.errors import ArchiveError

if TYPE_CHECKING:
    from gammapy.data import DataStore, ObservationTable

log = logging.getLogger(__name__)

HDU_INDEX = "hdu-index.fits.gz"


def open_archive(location: str | tuple[str, ...]) -> DataStore | None:
    """Open an archive.

    Parameters
    ----------
    location : str or tuple of str
        A folder with index files; a folder of DL3 files without index, in any subfolders; an HDU
        index file (``hdu-index...fits``); or DL3 files.

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
        return from_files(_files_of_list(location))
    if ":" in location and not Path(location).exists():
        return None  # the scheme of another plugin, such as sim:
    path = Path(location)
    if path.is_dir():
        return _from_folder(path)
    if not path.exists():
        raise ArchiveError(_missing(location))
    if "hdu-index" in path.name:
        return _from_index(path.parent, path.name)
    return from_files([path])


def _missing(location: str) -> str:
    if glob.has_magic(location):
        return f"no file matches the archive {location}"
    return f"no such archive: {location}; check the path"


def _from_folder(folder: Path) -> DataStore:
    """Open a folder: by its index, or else by the DL3 files in it and its subfolders."""
    if any((folder / name).exists() for name in (HDU_INDEX, HDU_INDEX.removesuffix(".gz"))):
        return _from_index(folder, HDU_INDEX)
    return from_files(_files_without_index(folder), skip_others=True)


def _files_without_index(folder: Path) -> list[Path]:
    """Return the FITS files in a folder and its subfolders.

    Raises
    ------
    ArchiveError
        If there are none, or an index among them, which may describe them better than their
        headers.
    """
    paths = find_fits_files(folder)
    if indices := [path for path in paths if "hdu-index" in path.name]:
        names = ", ".join(str(path) for path in indices[:5])
        raise ArchiveError(
            f"{folder} has no {HDU_INDEX}, but other index files: specify one of them as the "
            f"archive ({names}), or a glob of the DL3 files"
        )
    if not paths:
        raise ArchiveError(
            f"{folder} is not a DL3 archive: it has no {HDU_INDEX} and no FITS files"
        )
    return paths


def _files_of_list(locations: tuple[str, ...]) -> list[Path]:
    """Return the DL3 files of a list of files, and of folders without an index.

    Raises
    ------
    ArchiveError
        If the list has a folder with an index.
    """
    files: list[Path] = []
    for path in map(Path, locations):
        if path.is_dir() and any(path.glob("hdu-index.fits*")):
            raise ArchiveError(
                f"{path} is a folder with an index, which cannot be combined with other archives: "
                f"put it into its own entry of data:, or list its DL3 files ({path}/*.fits.gz)"
            )
        if not path.exists():
            raise ArchiveError(
                _missing(str(path))
                if glob.has_magic(str(path))
                else f"no such file: {path}; check the path"
            )
        files += find_fits_files(path) if path.is_dir() else [path]
    return files


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
