"""The code behind components: a digest of the source that runs when they work."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from skyred.errors import SkyredError
from skyred.interfaces import Fields

SUFFIXES = (".py", ".so", ".pyd")


class NoCacheError(SkyredError):
    """Something of which nothing can be cached, and why."""


def code_digests(classes: Iterable[type[Fields]]) -> dict[str, str]:
    """Give the digest of the source of each package that classes and their bases come from.

    It is of the whole package: a helper that a component imports matters as much as its own module.

    Raises
    ------
    NoCacheError
        If there is no source (a notebook), or it was changed after it was imported.
    """
    by_package: dict[str, list[type[Fields]]] = {}
    for cls in dict.fromkeys(base for one in classes for base in one.__mro__):
        if issubclass(cls, Fields) and vars(cls).get("declared_at"):
            by_package.setdefault(cls.__module__.partition(".")[0], []).append(cls)
    return {name: _digest_of(held) for name, held in sorted(by_package.items())}


def _digest_of(classes: list[type[Fields]]) -> str:
    """Give the digest of the files that classes of one package come from."""
    package = sys.modules.get(classes[0].__module__.partition(".")[0])
    folders = [Path(folder) for folder in getattr(package, "__path__", ())]
    modules = dict.fromkeys(_file_of(cls) for cls in classes)
    files = _below(folders) if folders else sorted({p for file in modules for p in _beside(file)})
    _refuse_changed(min(classes, key=lambda cls: cls.declared_at), files)
    return _digest(files)


def _file_of(cls: type) -> Path:
    file = _file(sys.modules.get(cls.__module__))
    if file is None:
        raise NoCacheError(
            f"{cls.__name__} is defined where no file holds its source (a notebook); "
            "put it into a module"
        )
    return file


def _below(folders: list[Path]) -> list[Path]:
    found = (path for folder in folders for path in folder.rglob("*"))
    return sorted(path for path in found if path.suffix in SUFFIXES)


def _beside(file: Path) -> Iterator[Path]:
    """Yield a module without a package, and what was imported from the same folder."""
    yield file
    if "site-packages" in file.parts:
        return
    others = (_file(module) for module in list(sys.modules.values()))
    yield from sorted({path for path in others if path and path.parent == file.parent} - {file})


def _file(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _refuse_changed(cls: type[Fields], files: Iterable[Path]) -> None:
    for path in files:
        if path.stat().st_mtime > cls.declared_at:
            raise NoCacheError(
                f"{path.name} was changed after {cls.__name__} was imported; start Python anew"
            )


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
