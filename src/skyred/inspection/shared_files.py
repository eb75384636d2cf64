"""Files of IRFs that several runs share are parsed and checked once per process.

Each run reads its files and computes their sha256. If the sha256 is that of an earlier file, the
HDUs, tables and findings of that file are used again.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from skyred.inspection.file_content import FileContent

MAX_BYTES = 16_000_000  # of all files that are kept; with tables and IRFs, about six times as much
_Key = tuple[Path, str]


class SharedFiles:
    """The files without events that several runs used, and the last one that a single run used."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._files: OrderedDict[_Key, FileContent] = OrderedDict()
        self._unshared: _Key | None = None
        self._lock = Lock()  # the workers of an engine may be threads

    def find(self, path: Path, sha256: str) -> FileContent | None:
        """Return a file that was read before.

        Parameters
        ----------
        path : Path
            The file.
        sha256 : str
            The digest of its stored bytes.

        Returns
        -------
        FileContent or None
            The file with its findings; None if it is not kept.
        """
        with self._lock:
            file = self._files.get((path, sha256))
            if file is not None:
                self._files.move_to_end((path, sha256))
                if self._unshared == (path, sha256):
                    self._unshared = None
            return file

    def add(self, file: FileContent) -> None:
        """Keep a file, unless it has events, which belong to one run, or is large.

        Parameters
        ----------
        file : FileContent
            The file.
        """
        if not file.hdus or "EVENTS" in file.hdus or len(file.content) > self._max_bytes:
            return
        key = file.path, file.sha256
        with self._lock:
            if key in self._files:
                return
            if self._unshared is not None:  # an archive may have a file of IRFs for each run
                self._files.pop(self._unshared, None)
            self._files[key], self._unshared = file, key
            while sum(len(file.content) for file in self._files.values()) > self._max_bytes:
                self._files.popitem(last=False)


SHARED_FILES = SharedFiles()
