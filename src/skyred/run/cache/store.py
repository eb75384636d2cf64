"""The cache on disk: pickled values by key, with signatures that are verified before reading."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import pickle
import re
import shutil
import stat
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import attrs
from platformdirs import user_cache_path

from skyred.errors import CacheError
from skyred.run.cache.secret import user_secret

log = logging.getLogger(__name__)

FORMAT = b"skyred cache 1"
FOLDER_VARIABLE = "SKYRED_CACHE_DIR"
SWITCH_VARIABLE = "SKYRED_CACHE"
LIMIT = 20 * 10**9  # bytes
MIN_FREE = 10**9  # bytes that an entry must leave free on its disk, for the products of the run

_KEY = re.compile(r"[0-9a-f]{64}")
_ABANDONED_AFTER = 24 * 3600.0  # seconds after which the file of a killed process is removed
_MAX_LINE = 100_000
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@attrs.frozen
class CachedEntry:
    """One entry of the cache.

    Parameters
    ----------
    key : str
        The digest of everything that the value depends on.
    path : Path
        The file of the entry.
    size : int
        The size of the file in bytes; 0 if its header cannot be read.
    used : float
        The time when the entry was last written or read, in seconds since 1970; 0 if its header
        cannot be read.
    description : mapping
        The description of the value (data entry, runs); empty if it cannot be read.
    """

    key: str
    path: Path
    size: int
    used: float
    description: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.define
class Cache:
    """Values by key, in a folder that belongs to the user.

    A file consists of the format, a signature (HMAC-SHA256 of format, key, description and value
    with the user's secret), the description as JSON, and the pickled value. Values are unpickled
    only after their signature has been verified. An entry that is damaged, was written by another
    user, or was moved to another key is deleted when it is read.

    Parameters
    ----------
    folder : Path
        The folder of the entries.
    secret : bytes
        The secret for the signatures.
    limit : int
        The maximum size of the cache in bytes, enforced by `prune`; the least recently used entries
        are removed first.
    """

    folder: Path
    secret: bytes = attrs.field(repr=False)
    limit: int = LIMIT
    _failed: bool = attrs.field(default=False, init=False)

    @classmethod
    def open(cls, folder: str | Path | None = None, *, create: bool = True) -> Self:
        """Open the cache in a folder.

        Parameters
        ----------
        folder : str or Path, optional
            The folder; by default the folder in ``SKYRED_CACHE_DIR``, or the user's cache folder.
        create : bool
            Whether the folder is created if it does not exist.

        Returns
        -------
        Cache
            The cache.

        Raises
        ------
        CacheError
            If the folder belongs to another user, if other users can write to it, or if the folder
            or the user's secret cannot be used.
        """
        chunk_folder = (Path(folder) if folder else default_folder()).absolute() / "chunks"
        try:
            if create:
                chunk_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder_stat = chunk_folder.stat()
        except OSError as error:
            raise CacheError(
                f"the cache {chunk_folder} cannot be used: {error.strerror}"
            ) from error
        if fault := _find_fault(folder_stat):
            raise CacheError(
                f"the cache {chunk_folder} {fault}; choose another with --cache, or remove it"
            )
        return cls(chunk_folder, user_secret())

    def get(self, key: str) -> Any:
        """Return the value under a key.

        Parameters
        ----------
        key : str
            The key.

        Returns
        -------
        object
            The value; None if there is no authentic value.
        """
        path = self._path(key)
        try:
            with path.open("rb") as stream:
                header = [stream.readline(_MAX_LINE).rstrip(b"\n") for _ in range(3)]
                pickled_value = stream.read()
            self._verify(key, header, pickled_value)
            value = pickle.loads(pickled_value)
            os.utime(path)
        except FileNotFoundError:
            return None
        except Exception as error:  # unpickling may raise anything
            log.warning("the cache entry %s cannot be used, and is computed again: %s", path, error)
            _delete(path)
            return None
        return value

    def contains(self, key: str) -> bool:
        """Return whether there is an entry under a key.

        Parameters
        ----------
        key : str
            The key.

        Returns
        -------
        bool
            Whether there is a file, valid or not.
        """
        return self._path(key).is_file()

    def put(self, key: str, value: Any, description: Mapping[str, Any]) -> None:
        """Store a value; if that fails, log a warning and stop caching.

        Parameters
        ----------
        key : str
            The key.
        value : object
            The value, which is pickled.
        description : mapping
            The description of the value, which must be serialisable as JSON.
        """
        if self._failed:
            return
        path = self._path(key)
        temporary_path = path.with_name(f".{key}.{uuid.uuid4().hex[:8]}.part")
        try:
            encoded_description = json.dumps(description).encode()
            pickled_value = pickle.dumps(value, protocol=5)
            if shutil.disk_usage(self.folder).free < len(pickled_value) + MIN_FREE:
                raise OSError("the disk is nearly full")
            path.parent.mkdir(mode=0o700, exist_ok=True)
            signature = self._sign(key, encoded_description, pickled_value)
            with os.fdopen(os.open(temporary_path, _CREATE_FLAGS, 0o600), "wb") as stream:
                stream.write(b"\n".join((FORMAT, signature, encoded_description)))
                stream.write(b"\n")
                stream.write(pickled_value)
            temporary_path.replace(path)
        except Exception as error:  # pickling may raise anything
            self._failed = True
            log.warning("caching in %s stopped: %s", self.folder, error)
            _delete(temporary_path)

    def entries(self) -> list[CachedEntry]:
        """Return all entries, the most recently used entry first.

        Returns
        -------
        list of CachedEntry
            The entries.
        """
        entries = [entry for path in self.folder.glob("??/*") if (entry := _entry(path))]
        return sorted(entries, key=lambda entry: entry.used, reverse=True)

    def clear(self, older_than: float = 0.0) -> list[CachedEntry]:
        """Remove entries.

        Parameters
        ----------
        older_than : float
            Only entries that have not been used for this time, in seconds, are removed.

        Returns
        -------
        list of CachedEntry
            The removed entries.
        """
        now = time.time()
        old_entries = [entry for entry in self.entries() if now - entry.used >= older_than]
        self._remove(old_entries)
        return old_entries

    def prune(self) -> None:
        """Remove the least recently used entries above the limit, and files of killed processes."""
        total = 0
        for entry in self.entries():
            total += entry.size
            if total > self.limit:
                self._remove([entry])
        for path in self.folder.glob("??/.*.part"):
            if _age(path) > _ABANDONED_AFTER:
                _delete(path)

    def _remove(self, entries: list[CachedEntry]) -> None:
        for entry in entries:
            _delete(entry.path)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _sign(self, key: str, description: bytes, pickled_value: bytes) -> bytes:
        signature = hmac.new(self.secret, digestmod=hashlib.sha256)
        for part in (FORMAT, key.encode(), description):
            signature.update(len(part).to_bytes(8, "big") + part)
        signature.update(pickled_value)
        return signature.hexdigest().encode()

    def _verify(self, key: str, header: list[bytes], pickled_value: bytes) -> None:
        file_format, signature, description = header
        if file_format != FORMAT:
            raise ValueError("it is not an entry of this version of the cache")
        if not hmac.compare_digest(self._sign(key, description, pickled_value), signature):
            raise ValueError("it is damaged, or was not written by this user")


def is_disabled() -> bool:
    """Return whether caching is disabled in the environment (``SKYRED_CACHE=off``).

    Returns
    -------
    bool
        Whether caching is disabled.
    """
    return os.environ.get(SWITCH_VARIABLE, "").lower() == "off"


def default_folder() -> Path:
    """Return the folder in ``SKYRED_CACHE_DIR``; if it is not set, the user's cache folder.

    Returns
    -------
    Path
        The folder.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else user_cache_path("skyred")


def _entry(path: Path) -> CachedEntry | None:
    if not _KEY.fullmatch(path.name):
        return None
    try:
        file_stat = path.stat()
        with path.open("rb") as stream:
            header = [stream.readline(_MAX_LINE) for _ in range(3)]
        description = json.loads(header[2]) if header[0].strip() == FORMAT else {}
    except (OSError, ValueError):
        return None if not path.exists() else CachedEntry(path.name, path, 0, 0.0)
    return CachedEntry(path.name, path, file_stat.st_size, file_stat.st_mtime, description)


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):  # already deleted by another run, or read-only
        path.unlink()


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _find_fault(folder_stat: os.stat_result) -> str:
    if not hasattr(os, "geteuid"):  # Windows
        return ""
    if folder_stat.st_uid != os.geteuid():
        return "belongs to another user"
    return "is writable by others" if stat.S_IMODE(folder_stat.st_mode) & 0o022 else ""
