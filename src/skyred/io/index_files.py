"""Names of the index files of DL3 archives."""

from __future__ import annotations

from pathlib import Path

HDU_INDEX = "hdu-index.fits.gz"
HDU_INDICES = (HDU_INDEX, "hdu-index.fits")  # the first one that exists is used


def is_hdu_index(path: Path) -> bool:
    """Return whether a file is an HDU index, by its name.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    bool
        True for ``hdu-index...``.
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
        The file; None if the folder has no index with one of the usual names, or the file is not an
        HDU index.
    """
    if location.is_dir():
        candidates = (location / name for name in HDU_INDICES)
        return next((path for path in candidates if path.is_file()), None)
    return location if is_hdu_index(location) else None


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
