"""The run folder while it is written: a hidden sibling that replaces the target in one step.

While a folder ``NAME`` is written, its parent contains ``.NAME.lock``, a file locked by the writing
process, and ``.NAME.part``, a folder with the files that have been written. On systems that cannot
exchange two folders atomically it may also contain ``.NAME.old``, the run that is being replaced.
If the process is killed, the next run with the same target removes them, or restores the old run
if the new one is not in place.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from skyred.errors import OutputError
from skyred.io.checksums import SUMS, write_checksums
from skyred.io.disk import files_below, sync_directory_entries, sync_folder
from skyred.io.exchange import exchange
from skyred.io.locks import Lock, acquire_lock, holder
from skyred.run.disk_space import probe

log = logging.getLogger(__name__)
_EXISTS_ERRORS = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR}


@attrs.define
class RunFolder:
    """A run folder that is being written; leaving the context removes it unless it was published.

    Parameters
    ----------
    target : Path
        The final path of the folder.
    staging : Path
        The folder that is being written.
    overwrite : bool
        Whether an existing run folder may be replaced.
    lock : Lock
        The lock that prevents other processes from writing the same target.
    """

    target: Path
    staging: Path
    overwrite: bool
    lock: Lock

    @classmethod
    def create(cls, target: str | Path, overwrite: bool = False) -> RunFolder:
        """Lock the target, clean up after killed processes, and create the staging folder.

        Parameters
        ----------
        target : str or Path
            The final path of the folder.
        overwrite : bool
            Whether an existing run folder may be replaced.

        Returns
        -------
        RunFolder
            The run folder, to be used as a context manager.

        Raises
        ------
        OutputError
            If the target exists and may not be replaced, if another process is writing it, or if
            its parent is not writable.
        DiskError
            If the disk is full, read-only or faulty.
        """
        target = Path(os.path.abspath(target))  # noqa: PTH100 - keep the user's symbolic links
        _check_target(target, overwrite)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = acquire_lock(_hidden_sibling(target, "lock"))
        except OSError as error:
            raise _not_writable_error(target.parent, error) from None
        if lock is None:
            owner = holder(_hidden_sibling(target, "lock"))
            raise OutputError(
                f"another run ({owner}) is writing {target}; wait for it, or choose another run "
                "folder"
            )
        try:
            _clean_up(target, lock)
            _check_target(target, overwrite)  # again, because a replaced run may be restored
            return cls(target, _create_staging(target), overwrite, lock)
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _remove(self.staging)
        self.lock.release()

    def publish(self, failed: bool = False) -> Path:
        """Write SHA256SUMS and move the folder to its target.

        The previous run is removed after the new run is in place. A failed run never replaces a
        finished run, but is published next to that run.

        Parameters
        ----------
        failed : bool
            Whether the run failed.

        Returns
        -------
        Path
            The path of the published folder.

        Raises
        ------
        OutputError
            If another process has created the target; the run is published next to it.
        OSError
            If the disk fails.
        """
        self._write_checksums()
        replaces = is_unfinished(self.target) or (self.overwrite and not failed)
        if replaces and is_run_folder(self.target):
            _swap(self.staging, self.target)
            path = self.target
        elif failed:
            path = _move(self.staging, self.target, self.target.with_name(self._failed_name))
        else:
            path = _move(self.staging, self.target, self.target)
        sync_directory_entries(path.parent)
        if path != self.target and not failed:
            raise OutputError(
                f"{self.target} was created by another process during the run; "
                f"this run is in {path}"
            )
        return path

    @property
    def _failed_name(self) -> str:
        return f"{self.target.name}.failed"

    def _write_checksums(self) -> None:
        names = [path.relative_to(self.staging).as_posix() for path in files_below(self.staging)]
        write_checksums(self.staging, [name for name in names if name != SUMS])
        sync_folder(self.staging)


def is_run_folder(folder: Path) -> bool:
    """Return whether a folder contains the files that every run writes.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    bool
        Whether it is a run folder.
    """
    return all((folder / name).is_file() for name in ("config.yaml", "log.jsonl"))


def is_unfinished(folder: Path) -> bool:
    """Return whether a folder contains a run that failed or was interrupted.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    bool
        Whether the state in its report is failed or interrupted.
    """
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(report, dict) and report.get("state") in ("failed", "interrupted")


def _check_target(target: Path, overwrite: bool) -> None:
    if target.is_symlink():
        raise OutputError(
            f"{target} is a symbolic link; use the folder that it points to, or another"
        )
    if not target.exists() or (is_unfinished(target) and is_run_folder(target)):
        return  # a failed or interrupted run may be replaced: the user repeats the command
    if not overwrite:
        raise OutputError(
            f"{target} already exists; choose another folder (-o), or replace it (--overwrite)"
        )
    if not is_run_folder(target):
        raise OutputError(f"{target} is not a skyred run folder, so it is not replaced")


def _hidden_sibling(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{suffix}")


def _not_writable_error(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"{folder} cannot be written: {error.strerror}; choose another run folder")


def _clean_up(target: Path, lock: Lock) -> None:
    """Restore or remove the folders of killed processes, if the lock excludes other processes."""
    if not lock.exclusive:  # another process may still use the folders
        return
    old, staging = _hidden_sibling(target, "old"), _hidden_sibling(target, "part")
    if old.is_dir() and not target.exists():
        log.warning("restored %s: the run that was replacing it was killed", target)
        old.rename(target)
    for folder in (old, staging, staging.with_suffix(".copy")):
        if os.path.lexists(folder):
            log.info("removed %s, left behind by a killed run", folder)
            _remove(folder)


def _create_staging(target: Path) -> Path:
    staging = _hidden_sibling(target, "part")
    try:
        staging.mkdir()
    except FileExistsError:
        raise OutputError(
            f"{staging} exists: another run is writing {target}, or was killed; "
            "remove it if no run is active, or choose another run folder"
        ) from None
    except OSError as error:
        raise _not_writable_error(target.parent, error) from None
    try:
        probe(staging)
    except BaseException:
        _remove(staging)
        raise
    return staging


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _swap(staging: Path, target: Path) -> None:
    if exchange(staging, target):
        sync_directory_entries(target.parent)
        _remove(staging)  # now contains the previous run
        return
    old = _hidden_sibling(target, "old")
    target.rename(old)
    try:
        staging.rename(target)
    except OSError:
        old.rename(target)
        raise
    sync_directory_entries(target.parent)
    _remove(old)


def _move(staging: Path, preferred: Path, fallback: Path) -> Path:
    """Rename the folder to the first candidate path that does not exist, and return the path."""
    for candidate in _iter_candidates(preferred, fallback):
        try:
            if not os.path.lexists(candidate):
                staging.rename(candidate)
                return candidate
        except OSError as error:  # another process has created it
            if error.errno not in _EXISTS_ERRORS:
                raise
    raise AssertionError("unreachable: the candidates never end")


def _iter_candidates(preferred: Path, fallback: Path) -> Iterator[Path]:
    yield preferred
    if fallback != preferred:
        yield fallback
    yield from (fallback.with_name(f"{fallback.name}-{number}") for number in count(2))
