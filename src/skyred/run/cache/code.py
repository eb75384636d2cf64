"""Digests of the source code of components."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

from skyred.errors import SkyredError
from skyred.interfaces import Fields

# not digested: their versions, or that of Python, are in every key
VERSIONED = {"gammapy", "numpy", "scipy", "astropy", "regions", "attr", "attrs"}
COMPILED = {".pyc", ".pyo"}


class NoCacheError(SkyredError):
    """Error for results that cannot be cached, with the reason."""


def code_digests(component_classes: Iterable[type[Fields]]) -> dict[str, str]:
    """Return the digests of the source code of the packages of classes and of their bases.

    Each digest covers the whole package: a helper that a component imports matters as much as its
    own module.

    Parameters
    ----------
    component_classes : iterable of type
        The classes.

    Returns
    -------
    dict of str to str
        The digests by name of package.

    Raises
    ------
    NoCacheError
        If there is no source code (a notebook), or it was changed after it was imported.
    """
    by_package: dict[str, dict[type, float]] = {}
    for component_class in component_classes:
        for cls in component_class.__mro__:  # including bases that are not components
            name = cls.__module__.partition(".")[0]
            if name not in VERSIONED and name not in sys.stdlib_module_names:
                imported = vars(cls).get("declared_at") or component_class.declared_at
                by_package.setdefault(name, {}).setdefault(cls, imported)
    return {
        name: _digest_of(name, import_times) for name, import_times in sorted(by_package.items())
    }


def _digest_of(name: str, classes: Mapping[type, float]) -> str:
    """Return the digest of the source files of one package; `classes` maps to times of import."""
    folders = [Path(folder) for folder in getattr(sys.modules.get(name), "__path__", ())]
    modules = [_file_of(cls) for cls in classes]
    files = _files_below(folders) if folders else _with_siblings(modules)
    earliest = min(classes, key=lambda cls: classes[cls])
    _check_unchanged(earliest.__name__, classes[earliest], files)
    return _digest(files)


def _file_of(cls: type) -> Path:
    file = _file(sys.modules.get(cls.__module__))
    if file is None:
        raise NoCacheError(
            f"{cls.__name__} is not defined in a source file (but in a notebook); "
            "put it into a module"
        )
    return file


def _files_below(folders: list[Path]) -> list[Path]:
    """Return all files of a package: it may read any of them."""
    paths = (path for folder in folders for path in folder.rglob("*"))
    return sorted(path for path in paths if path.suffix not in COMPILED and path.is_file())


def _with_siblings(modules: list[Path]) -> list[Path]:
    """Return modules without a package and all Python files next to them, which they may import."""
    folders = {module.parent for module in modules if "site-packages" not in module.parts}
    siblings = {path for folder in folders for path in folder.glob("*.py")}
    return sorted({*modules, *siblings})


def _file(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _check_unchanged(name: str, imported: float, files: Iterable[Path]) -> None:
    for path in files:
        try:
            state = path.stat()
        except OSError:
            raise NoCacheError(f"{path.name}, the source of {name}, does not exist") from None
        # a file that was moved may have an old modification time, so use the later time
        if max(state.st_mtime, state.st_ctime) > imported:
            raise NoCacheError(f"{path.name} was changed after {name} was imported; restart Python")


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
