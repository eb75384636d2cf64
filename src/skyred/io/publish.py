"""Folders that are created and removed atomically, under a hidden name."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def create_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder that is renamed to the target at the end, or removed on error.

    Parameters
    ----------
    folder : Path
        The target, which may exist if it is an empty folder.

    Yields
    ------
    Path
        The hidden folder, next to the target.

    Raises
    ------
    FileExistsError
        If the target exists and is not an empty folder.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(f"{folder} already exists; choose a new folder, or remove this one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = _hidden_path(folder)
    staging.mkdir()  # with the mode of the umask, unlike tempfile
    try:
        yield staging
        if folder.exists():
            folder.rmdir()
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def remove(folder: Path) -> None:
    """Rename a folder to a hidden name, and remove it.

    Parameters
    ----------
    folder : Path
        The folder.
    """
    hidden_path = _hidden_path(folder)
    folder.rename(hidden_path)
    shutil.rmtree(hidden_path, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the hidden folders that killed processes left behind.

    No other process may be writing the target.

    Parameters
    ----------
    folder : Path
        The target of these processes.
    """
    for path in folder.parent.glob(f".{folder.name}.*.part"):
        shutil.rmtree(path, ignore_errors=True)


def _hidden_path(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
