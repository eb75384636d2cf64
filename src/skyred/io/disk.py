"""The disk: whether it gave out, what it has left, and what was written brought safely onto it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

GAVE_OUT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


def gave_out(error: BaseException | None) -> str:
    """Say how the disk gave out, if that is behind an error; "" if it is not.

    astropy raises an `OSError` of its own, with text alone, out of that of the system.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in GAVE_OUT:
            return error.strerror or os.strerror(error.errno)
        error = error.__cause__ or error.__context__
    return ""


def free_bytes(place: Path) -> int:
    """Give the number of bytes that can still be written at a place."""
    return shutil.disk_usage(place).free


def megabytes(number: float) -> str:
    """Write a number of bytes as people read it."""
    return f"{number / 1e6:.0f} MB" if number >= 1e7 else f"{number / 1e6:.2g} MB"


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those in it, by name."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def sync_folder(folder: Path) -> None:
    """Wait until a folder, with all that is in it, would outlive a power cut.

    Raises
    ------
    OSError
        If it cannot be written: network file systems find that out late.
    """
    for path in files_below(folder):
        sync(path)
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync_names(path)


def sync_names(folder: Path) -> None:
    """Wait until the names in a folder would outlive a power cut."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno in GAVE_OUT:
            raise
        # not every system lets folders be opened, or waited for


def sync(path: Path) -> None:
    """Wait until what was written to a file would outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
