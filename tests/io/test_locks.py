"""Locks: held by one, known by name, and gone with the process that held them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skyred.io import locks
from skyred.io.locks import acquire_lock, holder

HOLD = """
import sys
from pathlib import Path
from skyred.io.locks import acquire_lock
lock = acquire_lock(Path(sys.argv[1]))
print("held" if lock else "refused", flush=True)
sys.stdin.read()
"""


def test_a_second_taker_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    lock = acquire_lock(tmp_path / "lock")
    assert lock is not None
    assert lock.exclusive
    assert acquire_lock(tmp_path / "lock") is None
    assert f"process {os.getpid()} on " in holder(tmp_path / "lock")
    lock.release()
    assert not (tmp_path / "lock").exists()
    again = acquire_lock(tmp_path / "lock")
    assert again is not None
    again.release()


def test_a_killed_process_lets_go_of_its_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert acquire_lock(tmp_path / "lock") is None
        assert holder(tmp_path / "lock").startswith(f"process {process.pid} on ")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / "lock").exists(), "the file is left, but nobody holds it"
    lock = acquire_lock(tmp_path / "lock")
    assert lock is not None
    lock.release()


def test_a_file_that_was_let_go_of_meanwhile_is_not_taken_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, really, calls = tmp_path / "lock", locks._try_flock, []

    def slow(descriptor: int) -> bool | None:
        if not calls:
            path.unlink()  # as its holder does, between opening and locking
        calls.append(descriptor)
        return really(descriptor)

    monkeypatch.setattr(locks, "_try_flock", slow)
    lock = acquire_lock(path)
    assert lock is not None
    assert len(calls) == 2
    assert os.path.samestat(os.fstat(lock.descriptor), path.stat())
    lock.release()


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("years")
    (tmp_path / "lock").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"):
        acquire_lock(tmp_path / "lock")
    assert precious.read_text() == "years"
