"""Paths of the files in an HDU index, and the rules that decide whether a file may be read."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

from skyred.inspection.records import Finding
from skyred.io.checksums import read_checksums
from skyred.io.index_files import INDEX_FOLDER

IRF_TYPES = ("aeff", "edisp", "psf", "bkg", "rad_max")
_GZIP, _FITS = b"\x1f\x8b", b"SIMPLE  ="


class IndexedPaths:
    """The paths of the files of an HDU index, with each file resolved once.

    An index must not make skyred read arbitrary files of the user. Without ``allow_outside``, a
    file is read if its path, with all links followed, is

    - in the folder of the index or below;
    - in the archive, if the index is in the folder ``index`` of the archive or in a subfolder, as
      in CTA 1DC, which has ``index/gps`` next to ``data`` and ``caldb``;
    - anywhere else, if the row is an IRF with a relative path that leaves the archive by ``..`` and
      not by a link, because several archives often share an IRF file.

    A file that is not in the folder of the index must be a FITS file.

    Parameters
    ----------
    base : Path
        The folder of the index.
    allow_outside : bool
        Whether files may be anywhere.
    """

    def __init__(self, base: Path, allow_outside: bool) -> None:
        self.base = base.resolve()
        self.archive = _archive_folder(self.base)
        self.allow_outside = allow_outside
        self.checksums = {self.base / name: digest for name, digest in read_checksums(base).items()}
        self._resolved: dict[tuple[str, str, bool], Path | Finding] = {}

    def resolve(self, hdu_type: str, folder: str, file: str) -> Path | Finding:
        """Return the path of a file in the index, or a fault if the file must not be read.

        Parameters
        ----------
        hdu_type : str
            HDU_TYPE in lower case: events, gti, aeff, edisp, psf, bkg, rad_max or pointing.
        folder : str
            FILE_DIR.
        file : str
            FILE_NAME.

        Returns
        -------
        Path or Finding
            The path, or the fault.
        """
        key = (folder, file, hdu_type in IRF_TYPES)
        if key not in self._resolved:
            self._resolved[key] = self._resolve(Path(folder) / file, is_irf=key[2])
        return self._resolved[key]

    def _resolve(self, name: Path, *, is_irf: bool) -> Path | Finding:
        if "$" in str(name) or str(name).startswith("~"):
            return Finding(
                "the path in the index contains a variable or ~, which is not expanded",
                "index-variable",
                file=name,
            )
        if "\0" in str(name):
            return Finding(
                "the path is invalid: it contains a NUL character", "index-path", file=name
            )
        path = self.base / name
        if self.allow_outside:
            return path
        try:
            target = path.resolve()
            normalised_path = Path(os.path.normpath(path))
            has_link = normalised_path.resolve() != target or normalised_path.is_relative_to(
                self.archive
            )
        except (OSError, RuntimeError):  # circular links
            return Finding("the path is invalid, or a circular link", "index-path", file=name)
        if target.is_relative_to(self.base):
            return path
        if target.is_relative_to(self.archive):
            return _check_fits_file(target)
        if has_link:
            message = f"the file is a link that points outside the archive {self.archive}"
            return Finding(message, "index-path", file=name)
        if is_irf and not name.is_absolute():
            return _check_fits_file(target)
        message = f"the path in the index is outside the archive {self.archive}"
        return Finding(message, "index-path", file=name)


def _archive_folder(base: Path) -> Path:
    """Return the parent of a folder ``index`` that is or contains ``base``; else ``base``."""
    for folder in (base, base.parent):
        if folder.name == INDEX_FOLDER:
            return folder.parent
    return base


def _check_fits_file(path: Path) -> Path | Finding:
    """Return the path of a file, or a fault if it is not a FITS file; pipes are not opened."""
    try:
        if not path.exists():
            return Finding("the file is missing", "file-damaged", file=path)
        if not path.is_file():
            message = "the path is a pipe, a device or a folder; expected a regular file"
            return Finding(message, "file-damaged", file=path)
        with path.open("rb") as stream:
            is_compressed = stream.read(len(_GZIP)) == _GZIP
        with gzip.open(path) if is_compressed else path.open("rb") as stream:
            is_fits = stream.read(len(_FITS)) == _FITS
    except (OSError, EOFError, zlib.error) as error:
        return Finding(f"the file cannot be read: {error}", "file-damaged", file=path)
    return path if is_fits else Finding("the file is not a FITS file", "file-damaged", file=path)
