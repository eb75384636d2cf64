"""Folders that are seen whole or not at all: made, and removed, out of sight."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def published(folder: Path) -> Iterator[Path]:
    """Give a hidden folder beside `folder`, which becomes `folder` if all goes well."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already; name a folder that does not, or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = _hidden(folder)
    staging.mkdir()  # with the modes that the umask asks for, which tempfile would not give
    try:
        yield staging
        if folder.exists():
            folder.rmdir()
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def remove(folder: Path) -> None:
    """Remove a folder, which is out of sight at once."""
    aside = _hidden(folder)
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def remove_left_behind(folder: Path) -> None:
    """Remove what killed processes left beside `folder`; nobody may be making it meanwhile."""
    for path in folder.parent.glob(f".{folder.name}.*.part"):
        shutil.rmtree(path, ignore_errors=True)


def _hidden(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
