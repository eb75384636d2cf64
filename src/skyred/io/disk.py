"""Failures and free space of a disk, and functions that flush files to disk (fsync)."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

DISK_FAILURES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


def disk_failure(error: BaseException | None) -> str:
    """Return the reason if an error was caused by a full, read-only or faulty disk.

    astropy replaces the system's `OSError` with its own, which has no error number.

    Parameters
    ----------
    error : BaseException or None
        The error; its causes and contexts are searched too.

    Returns
    -------
    str
        The reason; "" if the disk is not the cause.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FAILURES:
            return error.strerror or os.strerror(error.errno)
        error = error.__cause__ or error.__context__
    return ""


def free_bytes(path: Path) -> int:
    """Return the free space of a disk.

    Parameters
    ----------
    path : Path
        A path on the disk.

    Returns
    -------
    int
        The number of bytes.
    """
    return shutil.disk_usage(path).free


def format_size(number: float) -> str:
    """Format a number of bytes.

    Parameters
    ----------
    number : float
        The number of bytes.

    Returns
    -------
    str
        The number in MB.
    """
    return f"{number / 1e6:.0f} MB" if number >= 1e7 else f"{number / 1e6:.2g} MB"


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of its subfolders, sorted by path.

    Parameters
    ----------
    folder : Path
        The folder.

    Yields
    ------
    Path
        Each file.
    """
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def sync_folder(folder: Path) -> None:
    """Flush a folder, and everything in it, to disk (fsync).

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    OSError
        If a file cannot be written, which network file systems may report only now.
    """
    for path in files_below(folder):
        sync(path)
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync_directory_entries(path)


def sync_directory_entries(folder: Path) -> None:
    """Flush the directory entries of a folder to disk, if the system supports it.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    OSError
        If the disk fails.
    """
    try:
        sync(folder)
    except OSError as error:
        if error.errno in DISK_FAILURES:
            raise
        # some systems cannot open or sync folders


def sync(path: Path) -> None:
    """Flush the content of a file to disk.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If the file cannot be opened or written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
