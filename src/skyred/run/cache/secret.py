"""The secret that marks cache entries as this user's own: nothing else is ever unpickled."""

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


def secret_of_user() -> bytes:
    """Give the user's secret, made when it is first asked for.

    It lies in the user's data folder, not in the cache: who can write to the cache, on a disk that
    is shared, cannot make an entry that this user would read.

    Raises
    ------
    CacheError
        If others could have read or written it, or it can be neither read nor made.
    """
    return read_or_make(user_data_path("skyred") / "cache-secret")


def read_or_make(path: Path) -> bytes:
    """Give the secret that a file holds; make it if there is none."""
    try:
        if not path.exists():
            _make(path)
        held = path.read_bytes()
        state = path.lstat()
    except OSError as error:
        raise CacheError(f"the cache's secret {path} cannot be used: {error.strerror}") from error
    if wrong := _wrong(state) or ("" if len(held) == LENGTH else "is damaged"):
        raise CacheError(
            f"the cache's secret {path} {wrong}; remove it: a new one is made, and what was "
            "cached with the old one is made anew"
        )
    return held


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(LENGTH))
        with contextlib.suppress(FileExistsError):  # of two runs at once the first one wins
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _wrong(state: os.stat_result) -> str:
    if not hasattr(os, "geteuid"):  # Windows: the user's folder is the user's alone
        return ""
    if not stat.S_ISREG(state.st_mode):
        return "is no plain file"
    if state.st_uid != os.geteuid():
        return "belongs to somebody else"
    return "can be read by others" if stat.S_IMODE(state.st_mode) & 0o077 else ""
