"""File locks that contain the name of their holder, and are released when its process exits."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

import attrs

if sys.platform != "win32":
    import fcntl

_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}


@attrs.define
class Lock:
    """A lock that this process holds.

    Parameters
    ----------
    path : Path
        The lock file, which is deleted on release.
    descriptor : int
        The descriptor of the open file; closing it releases the lock.
    exclusive : bool
        Whether other processes are excluded; False on Windows, and on file systems without locks.
    """

    path: Path
    descriptor: int
    exclusive: bool

    def release(self) -> None:
        """Release the lock and delete its file."""
        with contextlib.suppress(OSError):
            # before closing, so that no process can lock a file that is then deleted
            self.path.unlink()
        os.close(self.descriptor)


def acquire_lock(path: Path) -> Lock | None:
    """Acquire a lock without waiting.

    Parameters
    ----------
    path : Path
        The lock file, created if it does not exist.

    Returns
    -------
    Lock or None
        The lock; None if it is already held, by this process or another.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    while True:
        # follow no symbolic link, because another user could have pointed it to any file
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, 0o666)
        try:
            has_lock = _try_flock(descriptor)
            if has_lock is False:
                os.close(descriptor)
                return None
            if _is_same_file(descriptor, path):
                return _write_holder(Lock(path, descriptor, exclusive=has_lock is True))
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # another process deleted the file after it was opened here


def holder(path: Path) -> str:
    """Return the holder of a lock, as written in its file.

    Parameters
    ----------
    path : Path
        The lock file.

    Returns
    -------
    str
        The process and its host; "another process" if unknown.
    """
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"


def _try_flock(descriptor: int) -> bool | None:
    """Return whether an open file could be locked; None if locks are not supported."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _write_holder(lock: Lock) -> Lock:
    try:
        os.ftruncate(lock.descriptor, 0)
        os.write(lock.descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    except OSError:
        with contextlib.suppress(OSError):
            lock.path.unlink()
        raise
    return lock
