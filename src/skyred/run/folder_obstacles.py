"""Removal of links, and renaming of folders, where a run writes its own files."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import count
from pathlib import Path

from skyred.io.checksums import SUMS
from skyred.result.verifying import READ_FILES, READ_FOLDERS
from skyred.run.folder_guard import LOG

FILES = (*READ_FILES, "models_covariance.dat", "models-template-*.fits", SUMS, LOG)
FOLDERS = (*READ_FOLDERS, "plots", "plugins")
# a folder with another suffix in one of the folders is of a plugin, and in nobody's way
SUFFIXES = {".dat", ".ecsv", ".fits", ".gz", ".json", ".png", ".py", ".txt", ".yaml"}


def remove_obstacles(
    folder: Path, files: tuple[str, ...] = FILES, folders: tuple[str, ...] = FOLDERS
) -> dict[str, str]:
    """Remove what is in the way of the files of a run, and make read-only folders writable.

    Links are removed, but not their targets. Folders in the place of files are renamed. Other files
    of plugins are not changed.

    Parameters
    ----------
    folder : Path
        The run folder; it is created if it is missing.
    files, folders : tuple of str
        The patterns of names of the files that will be written into the folder, and the names of
        the folders.

    Returns
    -------
    dict of str to str
        What was wrong, by the name of the file or folder.

    Raises
    ------
    OSError
        If something cannot be removed.
    """
    obstacles = {}
    if fault := _remove_fault(folder, expects_folder=True):
        obstacles["the folder"] = fault
    folder.mkdir(exist_ok=True)
    for path, expects_folder in _iter_paths(folder, files, folders):
        if fault := _remove_fault(path, expects_folder):
            obstacles[path.relative_to(folder).as_posix()] = fault
    return obstacles


def _iter_paths(
    folder: Path, files: tuple[str, ...], folders: tuple[str, ...]
) -> Iterator[tuple[Path, bool]]:
    """Yield the existing paths that the run may write, and whether they must be folders."""
    for path in sorted(folder.iterdir()):
        if path.name in folders:
            yield path, True
            if path.is_dir():  # unless it has been removed
                yield from _iter_nested(path)
        elif any(fnmatch(path.name, pattern) for pattern in files):
            yield path, False


def _iter_nested(folder: Path) -> Iterator[tuple[Path, bool]]:
    for path in sorted(folder.iterdir()):
        is_folder = stat.S_ISDIR(path.lstat().st_mode) and path.suffix not in SUFFIXES
        yield path, is_folder
        if is_folder:
            yield from _iter_nested(path)


def _remove_fault(path: Path, expects_folder: bool) -> str:
    """Remove a path of the wrong type, or correct its mode; return what was wrong, or ""."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return ""
    mode = status.st_mode
    if stat.S_ISDIR(mode) and not expects_folder:
        return f"is a folder, now {_rename(path)}"
    if not stat.S_ISDIR(mode) and (expects_folder or not stat.S_ISREG(mode)):
        path.unlink()
        return "is a symbolic link" if stat.S_ISLNK(mode) else "is no regular file or folder"
    if stat.S_ISREG(mode) and status.st_nlink > 1 and path.name != LOG:
        _copy_linked(path)
        return "is a hard link"
    required = stat.S_IRWXU if expects_folder else stat.S_IRUSR | stat.S_IWUSR
    if mode & required != required:
        path.chmod(stat.S_IMODE(mode) | required)
        return "is read-only"
    return ""


def _rename(path: Path) -> str:
    """Rename a folder in the place of a file, so that nothing in it is lost; return the name."""
    names = (f"{path.name}.moved{number or ''}" for number in count())
    target = next(path.with_name(name) for name in names if not os.path.lexists(path.parent / name))
    path.rename(target)
    return target.name


def _copy_linked(path: Path) -> None:
    """Replace a hard link by a copy, so that the other file is not overwritten."""
    copy = path.with_name(f".{path.name}.copy")
    shutil.copyfile(path, copy)
    copy.replace(path)
