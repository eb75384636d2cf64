"""Digests of the source code of components."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

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


def _package_digest(name: str, import_times: Mapping[type, float]) -> str:
    """Return the digest of a package, after checking that its files are unchanged since the import.

    The keys of `import_times` are the classes of the package that are used; its values are the
    times when they were imported.
    """
    folders = [Path(folder) for folder in getattr(sys.modules.get(name), "__path__", ())]
    modules = [_file_of(cls) for cls in import_times]
    files = _files_below(folders) if folders else _with_siblings(modules)
    first_class = min(import_times, key=lambda cls: import_times[cls])
    _check_unchanged(first_class.__name__, import_times[first_class], files)
    return _digest(files)


def _file_of(cls: type) -> Path:
    file = _file(sys.modules.get(cls.__module__))
    if file is None:
        raise NoCacheError(
            f"{cls.__name__} is not defined in a source file (for example, in a notebook); "
            "put it into a module"
        )
    return file


def _files_below(folders: list[Path]) -> list[Path]:
    """Return all files of a package, because it may read any of them."""
    files = (
        Path(parent, name)
        for folder in folders
        for parent, _, names in os.walk(folder)
        for name in names
        if not name.endswith(COMPILED)
    )
    return sorted(path for path in files if path.is_file())


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


def _check_unchanged(name: str, import_time: float, files: Iterable[Path]) -> None:
    for path in files:
        try:
            file_stat = path.stat()
        except OSError:
            raise NoCacheError(
                f"{path.name}, the source of {name}, does not exist; restore it"
            ) from None
        # a file that was moved has an old modification time, but a new st_ctime
        if max(file_stat.st_mtime, file_stat.st_ctime) > import_time:
            raise NoCacheError(f"{path.name} was changed after {name} was imported; restart Python")


def _digest(files: Iterable[Path]) -> str:
    """Return the digest of files; it is computed once per process while they are unchanged."""
    states = tuple((path, *_describe_state(path)) for path in files)
    newest = max((max(times) for _, *times, _, _ in states), default=0)
    # a file may be changed again without a new timestamp
    is_recent = time.time_ns() - newest < TIMESTAMP_RESOLUTION
    return (_compute_digest.__wrapped__ if is_recent else _compute_digest)(states)


def _describe_state(path: Path) -> tuple[int, int, int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino


@lru_cache(maxsize=64)
def _compute_digest(states: tuple[tuple[Any, ...], ...]) -> str:
    digest = hashlib.sha256()
    for path, *_ in states:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
