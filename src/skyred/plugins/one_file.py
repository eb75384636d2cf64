"""One-file plugins: a Python file as a plugin without a package, in the workers of a run too."""

from __future__ import annotations

import copyreg
import hashlib
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import attrs

from skyred.errors import PluginError
from skyred.interfaces.records import Owner

SHOWN = 12  # digits of a sum that stand for the version of a file


@attrs.frozen
class OneFile:
    """A Python file as a plugin, with the sha256 of what it held when it was read.

    In a pickle it loads the file where it is unpickled: workers find what the file defines
    without that it is installed there.
    """

    path: Path
    sha256: str
    source: bytes = attrs.field(default=b"", eq=False, repr=False)

    @classmethod
    def of(cls, path: Path) -> OneFile:
        """Read a file.

        Raises
        ------
        PluginError
            If there is none, or it does not end in ``.py``.
        """
        source = _source(path)
        return cls(path.resolve(), hashlib.sha256(source).hexdigest(), source)

    @property
    def owner(self) -> Owner:
        """Whose its components are: the file is the distribution, its sum the version."""
        name = self.path.name
        return Owner(
            name, f"sha256:{self.sha256[:SHOWN]}", self.path.stem, str(self.path), self.source
        )

    @property
    def module_name(self) -> str:
        """A name that no other module has: of another file, or of this one before a change."""
        unique = hashlib.sha256(f"{self.path} {self.sha256}".encode()).hexdigest()
        return f"skyred_plugin_{re.sub(r'[^0-9a-zA-Z_]', '_', self.path.stem)}_{unique[:8]}"

    def load(self) -> ModuleType:
        """Give its module, run when it is first asked for in a process.

        Raises
        ------
        PluginError
            If the file is no longer what it was.
        """
        if held := sys.modules.get(self.module_name):
            return held
        source = self.source or _source(self.path)
        if hashlib.sha256(source).hexdigest() != self.sha256:
            raise PluginError(
                f"the plugin {self.path} was changed after it was loaded; run skyred again"
            )
        module = ModuleType(self.module_name)
        module.__file__ = str(self.path)
        module.__skyred_plugin__ = self  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
        try:
            exec(compile(source, self.path, "exec"), module.__dict__)
        except BaseException:
            del sys.modules[module.__name__]
            raise
        self._let_travel(module)
        return module

    def _let_travel(self, module: ModuleType) -> None:
        """Make instances of the module's classes bring the file with them when pickled."""

        def reduce(instance: object) -> tuple[Any, ...]:
            make, made_of, *state = cast(tuple[Any, ...], instance.__reduce_ex__(2))
            return _remake, (self, make, made_of), *state

        for held in vars(module).values():
            if isinstance(held, type) and held.__module__ == module.__name__:
                copyreg.pickle(held, reduce)

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (self.path, self.sha256)


def file_of(cls: type) -> OneFile | None:
    """Give the one-file plugin that defines a class; None if it comes from elsewhere."""
    return getattr(sys.modules.get(cls.__module__), "__skyred_plugin__", None)


def _loaded(path: Path, sha256: str) -> OneFile:
    file = OneFile(path, sha256)
    file.load()
    return file


def _remake(_: OneFile, make: Callable[..., object], made_of: tuple[Any, ...]) -> object:
    # by now the file is loaded: it stands first in the pickle, before the classes it defines
    return make(*made_of)


def _source(path: Path) -> bytes:
    if path.suffix != ".py":
        raise PluginError(f"{path} is no Python file: expected a name that ends in .py")
    try:
        return path.read_bytes()
    except OSError as error:
        raise PluginError(
            f"the plugin {path} cannot be read: {error.strerror}; expected a Python file "
            "(installed plugins need no --plugin)"
        ) from None


def place_in(path: Path, error: BaseException) -> str:
    """Say in which line of a file an error arose; "" if not in it."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f" (line {lines[-1]} of {path.name})" if lines else ""
