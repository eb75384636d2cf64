"""Locks: a file that says who writes something, let go of by the system when that process dies."""

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
        The file, which goes with the lock.
    descriptor : int
        The open file: the lock is held as long as it is.
    sure : bool
        Whether others are kept out: some network file systems know no locks.
    """

    path: Path
    descriptor: int
    sure: bool

    def release(self) -> None:
        """Let go of it."""
        with contextlib.suppress(OSError):
            self.path.unlink()  # first: who opens it afterwards would lock what is no longer there
        os.close(self.descriptor)


def take_lock(path: Path) -> Lock | None:
    """Take a lock without waiting; None if another holds it, in this process or in any other.

    Raises
    ------
    OSError
        If the place cannot be written.
    """
    while True:
        # no link is followed: it could lead to a file of somebody else's choice
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, 0o666)
        try:
            held = _try(descriptor)
            if held is False:
                os.close(descriptor)
                return None
            if _is_at(descriptor, path):
                return _signed(Lock(path, descriptor, sure=held is True))
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder let go of it, and removed it, after it was opened


def holder(path: Path) -> str:
    """Say who holds a lock."""
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"


def _try(descriptor: int) -> bool | None:
    """Lock an open file; None if the file system knows no locks."""
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


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _signed(lock: Lock) -> Lock:
    try:
        os.ftruncate(lock.descriptor, 0)
        os.write(lock.descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    except OSError:
        with contextlib.suppress(OSError):
            lock.path.unlink()
        raise
    return lock
