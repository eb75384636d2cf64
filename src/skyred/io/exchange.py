"""Atomic exchange of two folders, on systems that support it."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_AT_FDCWD = -100  # paths are relative to the current folder
_RENAME_EXCHANGE = 2
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}


def exchange(first: Path, second: Path) -> bool:
    """Exchange two folders atomically, so that both names exist at all times.

    Parameters
    ----------
    first : Path
        A folder.
    second : Path
        Another folder on the same file system.

    Returns
    -------
    bool
        True if the folders were exchanged; False if the system or the file system does not support
        an exchange, and nothing was changed.

    Raises
    ------
    OSError
        If a folder does not exist, or this process has no permission to move it.
    """
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    error_number = ctypes.get_errno()
    if error_number in _UNSUPPORTED:
        return False
    raise OSError(error_number, os.strerror(error_number), str(first), None, str(second))
