"""Detection of damage to the files of a run folder by the hooks of plugins, before publication."""

from __future__ import annotations

import filecmp
import logging
import os
import shutil
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from skyred.errors import format_list
from skyred.io.disk import files_below

log = logging.getLogger(__name__)

LOG = "log.jsonl"
MAX_LISTED = 5


@attrs.define
class _ProtectedFile:
    """A file that only its writer may change: "" for the run itself, or the name of a plugin."""

    writer: str
    signature: tuple[int, ...]
    is_saved: bool


@attrs.define
class FolderGuard:
    """The files of a run folder, with a copy of them; a context manager that removes the copy.

    Parameters
    ----------
    folder : Path
        The run folder.
    files : dict of str to _ProtectedFile
        The files by name, relative to the folder; the log file is not included.
    """

    folder: Path
    files: dict[str, _ProtectedFile] = attrs.field(factory=dict)

    @property
    def copy(self) -> Path:
        """The folder of the copy, a hidden sibling of the run folder."""
        return self.folder.with_suffix(".copy")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.copy, ignore_errors=True)

    def protect(self, writer: str = "", *, replaces: bool = False) -> None:
        """Copy the new files in the folder, and earlier files of a writer that it has changed.

        Parameters
        ----------
        writer : str
            The plugin that wrote the new files; "" for the run itself.
        replaces : bool
            Whether it may replace files of others, as the plots and the report do.
        """
        for name, file in list(self.files.items()):
            is_own = replaces or file.writer == writer
            if is_own and _signature(self.folder / name) != file.signature:
                del self.files[name]
        for path in files_below(self.folder):
            name = path.relative_to(self.folder).as_posix()
            if name not in self.files and name != LOG:
                self.files[name] = _ProtectedFile(writer, _signature(path), self._save(name))

    def _save(self, name: str) -> bool:
        """Copy a file; return False if it cannot be copied, for example to a full disk."""
        copy = self.copy / name
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / name, copy)
        except OSError as error:
            log.info("%s is not copied before the hooks of plugins are called: %s", name, error)
            copy.unlink(missing_ok=True)
            return False
        return True

    def writer(self, name: str) -> str:
        """Return the plugin that wrote a file.

        Parameters
        ----------
        name : str
            The name of the file.

        Returns
        -------
        str
            The name of the plugin; "" for the run itself, or if there is no such file.
        """
        return self.files[name].writer if name in self.files else ""

    def find_damage(self, plugin: str = "") -> dict[str, str]:
        """Find files that were changed or removed.

        Parameters
        ----------
        plugin : str
            The plugin that was called; it may change its own files. Without it, the content of all
            files is compared, instead of files with another size, time or inode only.

        Returns
        -------
        dict of str to str
            The damage by name of the file.
        """
        filecmp.clear_cache()  # it does not notice changes of the content alone
        root = Path(os.path.realpath(self.folder))
        return {
            name: damage
            for name, file in self.files.items()
            if not (plugin and file.writer == plugin)
            and (damage := self._find_damage(root / name, self.copy / name, file, read=not plugin))
        }

    def _find_damage(self, path: Path, copy: Path, file: _ProtectedFile, read: bool) -> str:
        signature = _signature(path)
        if signature and os.path.realpath(path) != str(path):
            return "is behind a symbolic link"
        if not signature:
            return "is no regular file" if os.path.lexists(path) else "is missing"
        if signature == file.signature and not (read and file.is_saved):
            return ""
        if not (file.is_saved and filecmp.cmp(path, copy, shallow=False)):
            return "was changed"
        file.signature = signature  # for example a new time
        return ""

    def restore(self, name: str) -> bool:
        """Restore a damaged file from its copy.

        Parameters
        ----------
        name : str
            The name of the file.

        Returns
        -------
        bool
            False if there is no copy.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        path, file = self.folder / name, self.files[name]
        if file.is_saved:
            self._remove(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.copy / name, path)
        file.signature = _signature(path)
        return file.is_saved

    def _remove(self, name: str) -> None:
        """Remove a damaged file, and folders on its path that were replaced by files or links."""
        path = self.folder / name
        for folder in reversed(path.parents[: len(Path(name).parts)]):
            if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
                folder.unlink()
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def describe_damage(damage: dict[str, str]) -> str:
    """Describe damage for a message.

    Parameters
    ----------
    damage : dict of str to str
        The damage by name of the file.

    Returns
    -------
    str
        For example "fit.yaml was changed, models.yaml is missing".
    """
    return format_list([f"{name} {event}" for name, event in damage.items()], MAX_LISTED)


@attrs.define
class LogGuard:
    """The log file of a run before a plugin is called.

    Parameters
    ----------
    folder : Path
        The run folder.
    """

    folder: Path
    before: os.stat_result | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.before = self._stat()

    def find_damage(self) -> str:
        """Find damage to the log file since the guard was created.

        Returns
        -------
        str
            The damage; "" if there is none.
        """
        after = self._stat()
        if self.before is None:
            return ""
        if after is None:
            return f"{LOG} is missing"
        if (after.st_dev, after.st_ino) != (self.before.st_dev, self.before.st_ino):
            return f"{LOG} was replaced"
        return f"{LOG} was truncated" if after.st_size < self.before.st_size else ""

    def _stat(self) -> os.stat_result | None:
        try:
            return (self.folder / LOG).stat()
        except OSError:
            return None


def _signature(path: Path) -> tuple[int, ...]:
    """Return numbers that change if a file is changed; () if there is no regular file."""
    try:
        status = path.lstat()
    except OSError:
        return ()
    if not stat.S_ISREG(status.st_mode):
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
