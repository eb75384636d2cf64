"""Archives in zip files: `archive: zip:runs.zip`."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from skyred import ArchiveError, hookimpl

if TYPE_CHECKING:
    from gammapy.data import DataStore

SCHEME = "zip:"


@hookimpl
def skyred_archive(location: str | tuple[str, ...]) -> DataStore | None:
    """Open the archive in a zip file, which is extracted once for each content of the file.

    Raises
    ------
    ArchiveError
        If the file does not exist, or contains no archive with an index.
    """
    if not isinstance(location, str) or not location.startswith(SCHEME):
        return None
    from gammapy.data import DataStore

    path = Path(location.removeprefix(SCHEME))
    if not path.is_file():
        raise ArchiveError(f"no such file: {path}; expected zip:FILE.zip")
    folder = extract(path)
    indices = sorted(folder.rglob("hdu-index.fits.gz"))
    if len(indices) != 1:
        raise ArchiveError(
            f"{path} contains {len(indices)} files hdu-index.fits.gz; expected exactly one, with "
            "obs-index.fits.gz and the DL3 files beside it"
        )
    return DataStore.from_dir(indices[0].parent)


def extract(path: Path) -> Path:
    """Extract a zip file into the folder for temporary files, and return the folder."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    parent = Path(tempfile.gettempdir(), f"skyred-zip-{os.getuid()}")
    parent.mkdir(mode=0o700, exist_ok=True)
    if parent.stat().st_uid != os.getuid():
        raise ArchiveError(f"{parent} belongs to another user; set TMPDIR to another folder")
    folder = parent / digest
    if folder.is_dir():
        return folder
    # the final name appears only once all files are complete
    staging = Path(tempfile.mkdtemp(dir=parent))
    try:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(staging)
        staging.rename(folder)
    except zipfile.BadZipFile as error:
        raise ArchiveError(f"{path} is not a valid zip file: {error}") from None
    except OSError:
        if not folder.is_dir():  # otherwise another process was faster
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder
