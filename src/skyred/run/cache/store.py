"""The store: values on disk under keys, verified before anything of them is read."""

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
from skyred.run.cache.secret import secret_of_user

log = logging.getLogger(__name__)

FORMAT = b"skyred cache 1"
FOLDER = "SKYRED_CACHE_DIR"
SWITCH = "SKYRED_CACHE"
LIMIT = 20 * 10**9
ROOM = 10**9
"""Bytes that an entry must leave free on its disk: the run's own products need them more."""

_KEY = re.compile(r"[0-9a-f]{64}")
_ABANDONED = 24 * 3600.0
_HEAD = 100_000
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@attrs.frozen
class CachedEntry:
    """One entry of the cache.

    Parameters
    ----------
    key : str
        The digest of everything that its value depends on.
    path : Path
        Its file.
    size : int
        Bytes.
    used : float
        When it was last written or read, in seconds since 1970.
    about : mapping
        What it says of itself (data entry, runs); empty if it cannot be read.
    """

    key: str
    path: Path
    size: int
    used: float
    about: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.define
class Cache:
    """Values under keys, in a folder of the user's own.

    A file holds a mark (HMAC-SHA256 with the user's secret, over key, description and value), the
    description as JSON, and the pickled value. Nothing is unpickled before the mark is verified:
    an entry that is damaged, that somebody else wrote, or that was moved under another key is
    thrown away.

    Parameters
    ----------
    folder : Path
        Where the entries are.
    secret : bytes
        What marks them.
    limit : int
        Bytes that the cache may keep; those that were not used for longest go first.
    """

    folder: Path
    secret: bytes = attrs.field(repr=False)
    limit: int = LIMIT
    _failed: bool = attrs.field(default=False, init=False)

    @classmethod
    def open(cls, folder: str | Path | None = None, *, make: bool = True) -> Self:
        """Open the cache in a folder, by default below the user's cache folder; `make` it or not.

        Raises
        ------
        CacheError
            If others can write there, or it cannot be made.
        """
        place = (Path(folder) if folder else default_folder()).absolute() / "chunks"
        try:
            if make:
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = place.stat()
        except OSError as error:
            raise CacheError(f"the cache {place} cannot be used: {error.strerror}") from error
        if wrong := _wrong(state):
            raise CacheError(
                f"the cache {place} {wrong}; choose another with --cache, or remove it"
            )
        return cls(place, secret_of_user())

    def get(self, key: str) -> Any:
        """Give the value under a key; None if there is none that can be trusted."""
        path = self._path(key)
        try:
            with path.open("rb") as stream:
                head = [stream.readline(_HEAD).rstrip(b"\n") for _ in range(3)]
                pickled = stream.read()
            self._verify(key, head, pickled)
            value = pickle.loads(pickled)
            os.utime(path)
        except FileNotFoundError:
            return None
        except Exception as error:  # unpickling raises whatever the classes raise
            log.warning("the cache entry %s cannot be used, and is made again: %s", path, error)
            _drop(path)
            return None
        return value

    def holds(self, key: str) -> bool:
        """Say whether there is an entry, whatever it is worth."""
        return self._path(key).is_file()

    def put(self, key: str, value: Any, about: Mapping[str, Any]) -> None:
        """Keep a value; a cache that cannot be written costs nothing but a warning."""
        if self._failed:
            return
        path = self._path(key)
        part = path.with_name(f".{key}.{uuid.uuid4().hex[:8]}.part")
        try:
            described = json.dumps(about).encode()
            pickled = pickle.dumps(value, protocol=5)
            if shutil.disk_usage(self.folder).free < len(pickled) + ROOM:
                raise OSError("the disk is nearly full")
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(part, _NEW, 0o600), "wb") as stream:
                stream.write(b"\n".join((FORMAT, self._mark(key, described, pickled), described)))
                stream.write(b"\n")
                stream.write(pickled)
            part.replace(path)
        except Exception as error:  # pickling raises whatever the classes raise
            self._failed = True
            log.warning("nothing more is put into the cache %s: %s", self.folder, error)
            _drop(part)

    def entries(self) -> list[CachedEntry]:
        """Give all entries, the last used one first."""
        found = [entry for path in self.folder.glob("??/*") if (entry := _entry(path))]
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def clear(self, older_than: float = 0.0) -> list[CachedEntry]:
        """Remove the entries that were not used for some seconds; gives those."""
        now = time.time()
        gone = [entry for entry in self.entries() if now - entry.used >= older_than]
        self._remove(gone)
        return gone

    def prune(self) -> None:
        """Remove what is above the limit, and what killed processes left behind."""
        held = 0
        for entry in self.entries():
            held += entry.size
            if held > self.limit:
                self._remove([entry])
        for part in self.folder.glob("??/.*.part"):
            if _age(part) > _ABANDONED:
                _drop(part)

    def _remove(self, entries: list[CachedEntry]) -> None:
        for entry in entries:
            _drop(entry.path)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _mark(self, key: str, described: bytes, pickled: bytes) -> bytes:
        mark = hmac.new(self.secret, digestmod=hashlib.sha256)
        for part in (FORMAT, key.encode(), described):
            mark.update(len(part).to_bytes(8, "big") + part)
        mark.update(pickled)
        return mark.hexdigest().encode()

    def _verify(self, key: str, head: list[bytes], pickled: bytes) -> None:
        if head[0] != FORMAT:
            raise ValueError("it is no entry of this version of the cache")
        if not hmac.compare_digest(self._mark(key, head[2], pickled), head[1]):
            raise ValueError("it is damaged, or not written by this user")


def is_off() -> bool:
    """Say whether the environment turns caching off (``SKYRED_CACHE=off``)."""
    return os.environ.get(SWITCH, "").lower() == "off"


def default_folder() -> Path:
    """Give the folder that SKYRED_CACHE_DIR names, or else the user's cache folder."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else user_cache_path("skyred")


def _entry(path: Path) -> CachedEntry | None:
    if not _KEY.fullmatch(path.name):
        return None
    try:
        state = path.stat()
        with path.open("rb") as stream:
            head = [stream.readline(_HEAD) for _ in range(3)]
        about = json.loads(head[2]) if head[0].strip() == FORMAT else {}
    except (OSError, ValueError):
        return None if not path.exists() else CachedEntry(path.name, path, 0, 0.0)
    return CachedEntry(path.name, path, state.st_size, state.st_mtime, about)


def _drop(path: Path) -> None:
    with contextlib.suppress(OSError):  # another run was quicker, or the place is read-only
        path.unlink()


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _wrong(state: os.stat_result) -> str:
    if not hasattr(os, "geteuid"):
        return ""
    if state.st_uid != os.geteuid():
        return "belongs to somebody else"
    return "can be written by others" if stat.S_IMODE(state.st_mode) & 0o022 else ""
