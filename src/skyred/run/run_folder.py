"""The run folder while it is written: a hidden sibling, put in its place in one moment.

Beside a folder ``NAME`` stand, while it is written: ``.NAME.lock``, held by the process that
writes; ``.NAME.part``, what it writes; and, where two folders cannot change places in one moment,
``.NAME.old``, the run that is being replaced. Killed processes leave them to who comes next.
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

import attrs

from skyred.errors import OutputError
from skyred.io.disk import files_below, sync_folder, sync_names
from skyred.io.exchange import exchange
from skyred.io.locks import Lock, holder, take_lock
from skyred.io.sums import SUMS, write_sums
from skyred.run.disk_space import probe

log = logging.getLogger(__name__)
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR}


@attrs.define
class RunFolder:
    """A run folder in the making; a context that leaves nothing behind that is not published.

    Parameters
    ----------
    target : Path
        Where it will stand.
    staging : Path
        Where it is written.
    overwrite : bool
        Whether an existing run folder may be replaced.
    lock : Lock
        Keeps others from the same target.
    """

    target: Path
    staging: Path
    overwrite: bool
    lock: Lock

    @classmethod
    def create(cls, target: str | Path, overwrite: bool = False) -> RunFolder:
        """Probe the place and make the staging folder, after what killed processes left is gone.

        Raises
        ------
        OutputError
            If the target exists and may not be replaced, another process is writing it, or the
            place cannot be written.
        """
        target = Path(os.path.abspath(target))  # noqa: PTH100 - not resolved: links are the user's
        _refuse_existing(target, overwrite)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = take_lock(_beside(target, "lock"))
        except OSError as error:
            raise _unwritable(target.parent, error) from None
        if lock is None:
            by = holder(_beside(target, "lock"))
            raise OutputError(
                f"another run ({by}) is writing {target}; wait for it, or choose another folder "
                "with -o"
            )
        try:
            _tidy(target, lock)
            _refuse_existing(target, overwrite)  # what a killed process moved away is back
            return cls(target, _staging(target), overwrite, lock)
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _remove(self.staging)
        self.lock.release()

    def publish(self, failed: bool = False) -> Path:
        """Seal the folder with SHA256SUMS, put it in its place, and give where it stands.

        The run that stood there is removed after the new one stands; a failed run never replaces
        one that finished, but stands beside it.

        Raises
        ------
        OutputError
            If something else has come to stand there; the run is beside it.
        OSError
            If the disk gives out.
        """
        self._seal()
        replaces = is_unfinished(self.target) or (self.overwrite and not failed)
        if replaces and is_run_folder(self.target):
            _swap(self.staging, self.target)
            place = self.target
        elif failed:
            place = _move(self.staging, self.target, self.target.with_name(self._failed))
        else:
            place = _move(self.staging, self.target, self.target)
        sync_names(place.parent)
        if place != self.target and not failed:
            raise OutputError(f"{self.target} was made by others meanwhile; this run is in {place}")
        return place

    @property
    def _failed(self) -> str:
        return f"{self.target.name}.failed"

    def _seal(self) -> None:
        names = [path.relative_to(self.staging).as_posix() for path in files_below(self.staging)]
        write_sums(self.staging, [name for name in names if name != SUMS])
        sync_folder(self.staging)


def is_run_folder(place: Path) -> bool:
    """Say whether a place is a run folder, by the files that every run leaves."""
    return all((place / name).is_file() for name in ("config.yaml", "log.jsonl"))


def is_unfinished(place: Path) -> bool:
    """Say whether a place is the folder of a run that failed or was interrupted."""
    try:
        report = json.loads((place / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(report, dict) and report.get("state") in ("failed", "interrupted")


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.is_symlink():
        raise OutputError(f"{target} is a symbolic link; name the folder it leads to, or another")
    if not target.exists() or (is_unfinished(target) and is_run_folder(target)):
        return  # the same command is to go on
    if not overwrite:
        raise OutputError(
            f"{target} exists already; choose another folder (-o), or replace it (--overwrite)"
        )
    if not is_run_folder(target):
        raise OutputError(f"{target} is no run folder of skyred, so it will not be replaced")


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _unwritable(place: Path, error: OSError) -> OutputError:
    return OutputError(f"{place} cannot be written: {error.strerror}; choose another place with -o")


def _tidy(target: Path, lock: Lock) -> None:
    """Put back, or remove, what killed processes left: who holds the lock is alone here."""
    if not lock.sure:  # it may be somebody's still
        return
    old, part = _beside(target, "old"), _beside(target, "part")
    if old.is_dir() and not target.exists():
        log.warning("%s is put back: a run that was to replace it was killed", target)
        old.rename(target)
    for left in (old, part):
        if os.path.lexists(left):
            log.info("%s, which a killed run left behind, is removed", left)
            _remove(left)


def _staging(target: Path) -> Path:
    staging = _beside(target, "part")
    try:
        staging.mkdir()
    except FileExistsError:
        raise OutputError(
            f"{staging} is there: another run is writing {target}, or was killed; "
            "remove it if none is, or choose another folder with -o"
        ) from None
    except OSError as error:
        raise _unwritable(target.parent, error) from None
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
        sync_names(target.parent)
        _remove(staging)  # the run that stood there
        return
    old = _beside(target, "old")
    target.rename(old)
    try:
        staging.rename(target)
    except OSError:
        old.rename(target)
        raise
    sync_names(target.parent)
    _remove(old)


def _move(staging: Path, wanted: Path, otherwise: Path) -> Path:
    """Rename to the name that is wanted, or to the first that is free; gives which."""
    for place in _names(wanted, otherwise):
        try:
            if not os.path.lexists(place):
                staging.rename(place)
                return place
        except OSError as error:  # somebody was faster
            if error.errno not in _TAKEN:
                raise
    raise AssertionError("names never end")


def _names(wanted: Path, otherwise: Path) -> Iterator[Path]:
    yield wanted
    if otherwise != wanted:
        yield otherwise
    yield from (otherwise.with_name(f"{otherwise.name}-{number}") for number in count(2))
