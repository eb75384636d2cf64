"""The index files of an archive: where they are, and which were read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HDU_INDICES = ("hdu-index.fits.gz", "hdu-index.fits")  # in this order
INDEX_FOLDER = "index"
_KEY = "INDEX_FILES"


def find_index(folder: Path) -> Path | None:
    """Find the HDU index of an archive.

    Parameters
    ----------
    folder : Path
        The folder of the archive.

    Returns
    -------
    Path or None
        The index in the folder; otherwise the only one in the folder ``index`` of the archive, or
        in a subfolder of ``index``, as in CTA 1DC. None if there is no index, or several.
    """
    for name in HDU_INDICES:
        if (folder / name).exists():
            return folder / name
    patterns = (f"{INDEX_FOLDER}/hdu-index*.fits*", f"{INDEX_FOLDER}/*/hdu-index*.fits*")
    paths = [path for pattern in patterns for path in folder.glob(pattern)]
    return paths[0] if len(paths) == 1 else None


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
        The files stored by `set_index_files`; otherwise, for the archives of plugins, those in the
        folder of the archive.
    """
    if _KEY in hdu_table.meta:
        return [Path(path) for path in hdu_table.meta[_KEY]]
    base = hdu_table.meta.get("BASE_DIR")
    return sorted(Path(str(base)).glob("*-index*.fits*")) if base else []
