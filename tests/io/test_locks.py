"""Locks are exclusive, name their owner, and are released when their process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skyred.io import locks
from skyred.io.locks import acquire_lock, holder

LOCK_SCRIPT = """
import sys
from pathlib import Path
from skyred.io.locks import acquire_lock
lock = acquire_lock(Path(sys.argv[1]))
print("locked" if lock else "not locked", flush=True)
sys.stdin.read()
"""


def test_locked_file_is_rejected_with_its_owner(tmp_path: Path) -> None:
    lock = acquire_lock(tmp_path / "lock")
    assert lock is not None
    assert lock.exclusive
    assert acquire_lock(tmp_path / "lock") is None
    assert f"process {os.getpid()} on " in holder(tmp_path / "lock")
    lock.release()
    assert not (tmp_path / "lock").exists()
    second = acquire_lock(tmp_path / "lock")
    assert second is not None
    second.release()


def test_lock_of_a_killed_process_is_released(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOCK_SCRIPT, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        assert acquire_lock(tmp_path / "lock") is None
        assert holder(tmp_path / "lock").startswith(f"process {process.pid} on ")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / "lock").exists(), "the file exists, but is not locked"
    lock = acquire_lock(tmp_path / "lock")
    assert lock is not None
    lock.release()


def test_file_that_was_removed_while_locking_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, try_flock, calls = tmp_path / "lock", locks._try_flock, []

    def flock_after_removal(descriptor: int) -> bool | None:
        if not calls:
            path.unlink()  # as if the owner removed the file between opening and locking
        calls.append(descriptor)
        return try_flock(descriptor)

    monkeypatch.setattr(locks, "_try_flock", flock_after_removal)
    lock = acquire_lock(path)
    assert lock is not None
    assert len(calls) == 2
    assert os.path.samestat(os.fstat(lock.descriptor), path.stat())
    lock.release()


def test_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("content")
    (tmp_path / "lock").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        acquire_lock(tmp_path / "lock")
    assert target.read_text() == "content"
