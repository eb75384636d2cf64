"""The code behind components: a digest of the source that runs when they work."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

from skyred.errors import SkyredError
from skyred.interfaces import Fields

# whose versions are in every key, and what is the same wherever Python is
ELSEWHERE = {"gammapy", "numpy", "scipy", "astropy", "regions", "attr", "attrs"}
PASSING = {".pyc", ".pyo"}


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
    by_package: dict[str, dict[type, float]] = {}
    for one in classes:
        for cls in one.__mro__:  # bases that are no components too
            name = cls.__module__.partition(".")[0]
            if name not in ELSEWHERE and name not in sys.stdlib_module_names:
                imported = vars(cls).get("declared_at") or one.declared_at
                by_package.setdefault(name, {}).setdefault(cls, imported)
    return {name: _digest_of(name, held) for name, held in sorted(by_package.items())}


def _digest_of(name: str, classes: Mapping[type, float]) -> str:
    """Give the digest of the files that classes of one package come from, by when they came."""
    folders = [Path(folder) for folder in getattr(sys.modules.get(name), "__path__", ())]
    modules = [_file_of(cls) for cls in classes]
    files = _below(folders) if folders else _beside(modules)
    first = min(classes, key=lambda cls: classes[cls])
    _refuse_changed(first.__name__, classes[first], files)
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
    """Give all files of a package: it may read any of them."""
    found = (path for folder in folders for path in folder.rglob("*"))
    return sorted(path for path in found if path.suffix not in PASSING and path.is_file())


def _beside(modules: list[Path]) -> list[Path]:
    """Give modules without a package, and all Python beside them: they may import any of it."""
    folders = {module.parent for module in modules if "site-packages" not in module.parts}
    beside = {path for folder in folders for path in folder.glob("*.py")}
    return sorted({*modules, *beside})


def _file(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _refuse_changed(name: str, imported: float, files: Iterable[Path]) -> None:
    for path in files:
        try:
            state = path.stat()
        except OSError:
            raise NoCacheError(f"{path.name}, where {name} came from, is gone") from None
        # a file that was moved here may be old: the later time is when it came
        if max(state.st_mtime, state.st_ctime) > imported:
            raise NoCacheError(
                f"{path.name} was changed after {name} was imported; start Python anew"
            )


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
