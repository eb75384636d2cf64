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

LENGTH = 32


def user_secret() -> bytes:
    """Return the user's secret, created on first use.

    It is stored in the user's data folder, not in the cache: somebody who can write to the cache,
    on a shared disk, cannot create an entry that this user would read.

    Returns
    -------
    bytes
        The secret.

    Raises
    ------
    CacheError
        If others could have read or written it, or it can be neither read nor created.
    """
    return read_or_create(user_data_path("skyred") / "cache-secret")


def read_or_create(path: Path) -> bytes:
    """Return the secret in a file; create it if there is none.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bytes
        The secret, of `LENGTH` bytes.

    Raises
    ------
    CacheError
        If others could have read or written it, or it can be neither read nor created.
    """
    try:
        if not path.exists():
            _create(path)
        secret = path.read_bytes()
        state = path.lstat()
    except OSError as error:
        raise CacheError(f"the cache's secret {path} cannot be used: {error.strerror}") from error
    if fault := _find_fault(state) or ("" if len(secret) == LENGTH else "is damaged"):
        raise CacheError(
            f"the cache's secret {path} {fault}; remove it: a new one is created, and the "
            "existing cache entries are computed again"
        )
    return secret


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(LENGTH))
        with contextlib.suppress(FileExistsError):  # of two concurrent runs the first one wins
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)


def _find_fault(state: os.stat_result) -> str:
    if not hasattr(os, "geteuid"):  # Windows: other users have no access to the user's folder
        return ""
    if not stat.S_ISREG(state.st_mode):
        return "is not a regular file"
    if state.st_uid != os.geteuid():
        return "belongs to another user"
    return "can be read by others" if stat.S_IMODE(state.st_mode) & 0o077 else ""
