"""The run folder while it is written: a hidden sibling, renamed into place at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import attrs

from skyred.errors import OutputError


@attrs.define
class RunFolder:
    """A run folder in the making.

    Parameters
    ----------
    target : Path
        Where it will stand.
    staging : Path
        Where it is written.
    overwrite : bool
        Whether an existing run folder may be replaced.
    """

    target: Path
    staging: Path
    overwrite: bool

    @classmethod
    def create(cls, target: str | Path, overwrite: bool = False) -> RunFolder:
        """Probe the place and make the staging folder.

        Raises
        ------
        OutputError
            If the target exists and may not be replaced, or the place cannot be written.
        """
        target = Path(os.path.abspath(target))  # noqa: PTH100 - not resolved: links are the user's
        if target.exists():
            _refuse_existing(target, overwrite)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        except OSError as error:
            raise OutputError(
                f"{target.parent} cannot be written: {error.strerror}; choose another place with -o"
            ) from None
        staging.chmod(0o777 & ~_umask())  # mkdtemp lets only its owner in
        return cls(target, staging, overwrite)

    def publish(self, failed: bool = False) -> Path:
        """Rename the folder into place, and give where it stands.

        The run that stood there is removed after the new one stands; a failed run never replaces
        one, but stands beside it.
        """
        place = self.target
        if failed and place.exists():
            place = _free(place.with_name(f"{place.name}.failed"))
        if not place.exists():
            self.staging.rename(place)
            return place
        if not (self.overwrite and is_run_folder(place)):
            beside = _free(place)
            self.staging.rename(beside)
            raise OutputError(f"{place} was made by others meanwhile; this run is in {beside}")
        old = Path(tempfile.mkdtemp(prefix=f".{place.name}.old.", dir=place.parent))
        place.rename(old / place.name)
        try:
            self.staging.rename(place)
        except OSError:
            (old / place.name).rename(place)
            raise
        shutil.rmtree(old, ignore_errors=True)
        return place

    def discard(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.staging, ignore_errors=True)


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if not overwrite:
        raise OutputError(
            f"{target} exists already; choose another folder (-o), or replace it (--overwrite)"
        )
    if not is_run_folder(target):
        raise OutputError(f"{target} is no run folder of skyred, so it will not be replaced")


def is_run_folder(place: Path) -> bool:
    """Say whether a place is a run folder, by the files that every run leaves."""
    return all((place / name).is_file() for name in ("config.yaml", "log.jsonl"))


def _free(place: Path) -> Path:
    number = 1
    free = place
    while free.exists():
        number += 1
        free = place.with_name(f"{place.name}-{number}")
    return free


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
