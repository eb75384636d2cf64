"""The secret that authenticates cache entries as the user's own, before they are unpickled."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import uuid
from pathlib import Path

from platformdirs import user_data_path

from skyred.errors import CacheError

SECRET_LENGTH = 32  # bytes


def user_secret() -> bytes:
    """Return the user's secret, created on first use.

    It is stored in the user's data folder, not in the cache. Therefore other users who can write to
    a cache on a shared disk cannot create an entry that this user would read.

    Returns
    -------
    bytes
        The secret.

    Raises
    ------
    CacheError
        If other users can access the secret, if it cannot be read or created, or if it is damaged.
    """
    return read_or_create(user_data_path("skyred") / "cache-secret")


def read_or_create(path: Path) -> bytes:
    """Return the secret in a file, and create the file if it does not exist.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bytes
        The secret, of `SECRET_LENGTH` bytes.

    Raises
    ------
    CacheError
        If other users can access the secret, if it cannot be read or created, or if it is damaged.
    """
    try:
        if not path.exists():
            _create(path)
        secret = path.read_bytes()
        file_stat = path.lstat()
    except OSError as error:
        raise CacheError(
            f"the cache secret file {path} cannot be used: {error.strerror}"
        ) from error
    if fault := _find_fault(file_stat) or ("" if len(secret) == SECRET_LENGTH else "is damaged"):
        raise CacheError(
            f"the cache secret file {path} {fault}; remove it: a new one will be created, and "
            "existing cache entries will be computed again"
        )
    return secret


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary_path = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    descriptor = os.open(temporary_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(SECRET_LENGTH))
        with contextlib.suppress(FileExistsError):  # a concurrent run has just created it
            os.link(temporary_path, path)
    finally:
        temporary_path.unlink(missing_ok=True)


def _find_fault(file_stat: os.stat_result) -> str:
    if not hasattr(os, "geteuid"):  # Windows: other users have no access to the user's folder
        return ""
    if not stat.S_ISREG(file_stat.st_mode):
        return "is not a regular file"
    if file_stat.st_uid != os.geteuid():
        return "belongs to another user"
    return "is accessible to others" if stat.S_IMODE(file_stat.st_mode) & 0o077 else ""
