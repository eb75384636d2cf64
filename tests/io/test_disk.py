"""Disk failures are detected in the causes of other errors, and folders are exchanged."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from skyred.io.disk import disk_failure
from skyred.io.exchange import exchange


def wrap(error: Exception, chained: bool) -> Exception:
    """Return an error with another one as its cause, or as its suppressed context."""
    try:
        try:
            raise error
        except Exception as cause:
            if chained:
                raise RuntimeError("plots") from cause
            raise OSError("Not enough space on disk") from None  # keeps __context__
    except Exception as outer:
        return outer


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("chained", [True, False])
def test_disk_failure_is_detected_in_the_cause_of_other_errors(
    error_number: int, chained: bool
) -> None:
    error = OSError(error_number, "message of the system")
    assert disk_failure(error) == disk_failure(wrap(error, chained)) == "message of the system"


@pytest.mark.parametrize("error", [OSError("disk full"), FileNotFoundError(2, "x"), ValueError(28)])
def test_other_errors_are_not_disk_failures(error: Exception) -> None:
    assert disk_failure(wrap(error, True)) == ""


def test_two_folders_are_exchanged(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system cannot exchange folders")
    assert (tmp_path / "a" / "b").exists()
    assert (tmp_path / "b" / "a").exists()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "c")
