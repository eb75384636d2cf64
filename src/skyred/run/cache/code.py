"""Digests of the source code of components."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Self

from skyred.errors import SkyredError
from skyred.interfaces import Fields

# not digested: their versions are part of every key, except that of attrs, which does not affect
# data
VERSIONED = {"gammapy", "numpy", "scipy", "astropy", "regions", "attr", "attrs"}
COMPILED = (".pyc", ".pyo")
TIMESTAMP_RESOLUTION = 2_000_000_000  # ns, the largest of common file systems


class NoCacheError(SkyredError):
    """Raised if a result cannot be cached; the message is the reason."""


def code_digests(component_classes: Iterable[type[Fields]]) -> dict[str, str]:
    """Return digests of the source code of the packages that define classes and their bases.

    The standard library and the packages in `VERSIONED` are excluded. Each digest covers the whole
    package, because a component may import any of its modules. For a top-level module, it covers
    the module and, outside ``site-packages``, the Python files in its folder.

    Parameters
    ----------
    component_classes : iterable of type
        The classes.

    Returns
    -------
    dict of str to str
        The digests by package name.

    Raises
    ------
    NoCacheError
        If there is no source code (a notebook), or it was changed after it was imported.
    """
    import_times_by_package: dict[str, dict[type, float]] = {}
    for component_class in component_classes:
        for cls in component_class.__mro__:  # including bases that are not components
            name = cls.__module__.partition(".")[0]
            if name not in VERSIONED and name not in sys.stdlib_module_names:
                import_time = vars(cls).get("declared_at") or component_class.declared_at
                import_times_by_package.setdefault(name, {}).setdefault(cls, import_time)
    return {
        name: _package_digest(name, import_times)
        for name, import_times in sorted(import_times_by_package.items())
    }


class _SourceFile(NamedTuple):
    """A file and its state, which changes with its content."""

    path: str
    modified: int  # ns
    moved: int  # ns; a file that was moved has an old modification time, but a new st_ctime
    size: int
    inode: int

    @classmethod
    def create(cls, path: str, state: os.stat_result) -> Self:
        return cls(path, state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino)

    @property
    def changed(self) -> int:
        return max(self.modified, self.moved)


def _package_digest(name: str, import_times: Mapping[type, float]) -> str:
    """Return the digest of a package, after checking that its files are unchanged since the import.

    The keys of `import_times` are the classes of the package that are used; its values are the
    times when they were imported.
    """
    folders = list(getattr(sys.modules.get(name), "__path__", ()))
    modules = [_file_of(cls) for cls in import_times]
    first_class = min(import_times, key=lambda cls: import_times[cls])
    class_name, import_time = first_class.__name__, import_times[first_class]
    try:
        paths = [] if folders else _with_siblings(modules)
        files = sorted(_iter_files(folders)) or [_read_state(path, class_name) for path in paths]
        if not files:
            raise NoCacheError(f"the package {name} has no folder that can be listed")
        for file in files:
            if file.changed > import_time * 1e9:
                file_name = Path(file.path).name
                raise NoCacheError(
                    f"{file_name} was changed after {class_name} was imported; restart Python"
                )
        return _digest(tuple(files))
    except OSError as error:
        raise NoCacheError(f"the source of {class_name} cannot be read: {error}") from None


def _file_of(cls: type) -> Path:
    file = _file(sys.modules.get(cls.__module__))
    if file is None:
        raise NoCacheError(
            f"{cls.__name__} is not defined in a source file (for example, in a notebook); "
            "put it into a module"
        )
    return file


def _iter_files(folders: Iterable[str], linked: set[str] | None = None) -> Iterator[_SourceFile]:
    """Yield all files of a package, because it may read any of them.

    Folders that cannot be listed are left out, such as the placeholders of editable installations.
    Links are followed to folders with Python files, not to data; `linked` has those that were
    already followed.
    """
    linked = set() if linked is None else linked
    for folder in folders:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:  # one system call per file: there are hundreds
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _iter_files([entry.path], linked)
            elif entry.is_symlink() and entry.is_dir():
                target = os.path.realpath(entry.path)
                if target not in linked and any(Path(target).glob("*.py")):
                    linked.add(target)
                    yield from _iter_files([entry.path], linked)
            elif entry.is_file() and not entry.name.endswith(COMPILED):
                yield _SourceFile.create(entry.path, entry.stat())


def _with_siblings(modules: list[Path]) -> list[Path]:
    """Return top-level modules with all Python files in their folders, which they may import.

    From ``site-packages``, only the modules themselves are returned.
    """
    folders = {module.parent for module in modules if "site-packages" not in module.parts}
    siblings = {path for folder in folders for path in folder.glob("*.py")}
    return sorted({*modules, *siblings})


def _file(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _read_state(path: Path, class_name: str) -> _SourceFile:
    try:
        return _SourceFile.create(str(path), path.stat())
    except OSError:
        raise NoCacheError(
            f"{path.name}, the source of {class_name}, does not exist; restore it"
        ) from None


def _digest(files: tuple[_SourceFile, ...]) -> str:
    """Return the digest of files; it is computed once per process while they are unchanged."""
    newest = max((file.changed for file in files), default=0)
    # a file may be changed again without a new timestamp
    is_recent = time.time_ns() - newest < TIMESTAMP_RESOLUTION
    return (_compute_digest.__wrapped__ if is_recent else _compute_digest)(files)


@lru_cache(maxsize=64)
def _compute_digest(files: tuple[_SourceFile, ...]) -> str:
    digest = hashlib.sha256()
    for path in (Path(file.path) for file in files):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
