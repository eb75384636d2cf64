"""The index files of DL3 archives: names, folders, and the list of those that were read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HDU_INDEX = "hdu-index.fits.gz"
HDU_INDICES = (HDU_INDEX, "hdu-index.fits")  # the first one that exists is used
INDEX_FOLDER = "index"
_KEY = "INDEX_FILES"


def is_hdu_index(path: Path) -> bool:
    """Return whether a file is an HDU index, by its name.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    bool
        Whether the name contains ``hdu-index``.
    """
    return "hdu-index" in path.name


def find_hdu_index(location: Path) -> Path | None:
    """Return the HDU index of an archive.

    Parameters
    ----------
    location : pathlib.Path
        A folder, or an HDU index file.

    Returns
    -------
    pathlib.Path or None
        The file. For a folder, the index in it with one of the usual names; otherwise the only one
        in its folder ``index``, or in a subfolder of ``index``, as in CTA 1DC. None if there is no
        index, or several, or the file is not an HDU index.
    """
    if not location.is_dir():
        return location if is_hdu_index(location) else None
    if index := _find_named_index(location):
        return index
    folders = [location / INDEX_FOLDER, *location.glob(f"{INDEX_FOLDER}/*/")]
    indices = [index for folder in folders for index in _list_indices(folder)]
    return indices[0] if len(indices) == 1 else None


def _find_named_index(folder: Path) -> Path | None:
    """Return the index in a folder with the first of the usual names."""
    paths = (folder / name for name in HDU_INDICES)
    return next((path for path in paths if path.is_file()), None)


def _list_indices(folder: Path) -> list[Path]:
    """Return the index in a folder with a usual name, or else those with other names."""
    if index := _find_named_index(folder):
        return [index]
    paths = (path for suffix in ("fits", "fits.gz") for path in folder.glob(f"hdu-index*.{suffix}"))
    return [path for path in paths if path.is_file()]


def find_obs_index(hdu_index: Path) -> Path:
    """Return the observation index that belongs to an HDU index.

    Parameters
    ----------
    hdu_index : pathlib.Path
        The HDU index.

    Returns
    -------
    pathlib.Path
        The observation index in the same folder, which may not exist.
    """
    return hdu_index.with_name(hdu_index.name.replace("hdu-index", "obs-index"))


def set_index_files(hdu_table: Any, paths: list[Path]) -> None:
    """Store the paths of the index files in the metadata of an HDU index.

    Parameters
    ----------
    hdu_table : astropy.table.Table
        The HDU index.
    paths : list of Path
        The files that the indices were read from; empty if they were not read from files.
    """
    hdu_table.meta[_KEY] = [str(path) for path in paths]


def get_index_files(hdu_table: Any) -> list[Path]:
    """Return the index files of an archive.

    Parameters
    ----------
    hdu_table : astropy.table.Table
        The HDU index.

    Returns
    -------
    list of Path
        The files stored by `set_index_files`; otherwise, for archives opened by plugins, those in
        the folder of the archive.
    """
    if _KEY in hdu_table.meta:
        return [Path(path) for path in hdu_table.meta[_KEY]]
    base = hdu_table.meta.get("BASE_DIR")
    return sorted(Path(str(base)).glob("*-index*.fits*")) if base else []
