"""One-file plugins: Python files that are used as plugins, also in the workers of a run."""

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

VERSION_DIGITS = 12  # digits of the checksum in the version of a file


@attrs.frozen
class OneFile:
    """A Python file that is used as a plugin.

    Unpickling it loads the file, so that workers can use its classes without an installed package.

    Parameters
    ----------
    path : Path
        The absolute path of the file.
    sha256 : str
        The checksum of its content when it was read.
    source : bytes
        The content; empty if the file was not read in this process. Ignored in comparisons.
    """

    path: Path
    sha256: str
    source: bytes = attrs.field(default=b"", eq=False, repr=False)

    @classmethod
    def from_path(cls, path: Path) -> OneFile:
        """Read a file.

        Parameters
        ----------
        path : Path
            The path of the file.

        Returns
        -------
        OneFile
            The plugin.

        Raises
        ------
        PluginError
            If the file cannot be read, or its name does not end in ``.py``.
        """
        source = _read_source(path)
        return cls(path.resolve(), hashlib.sha256(source).hexdigest(), source)

    @property
    def owner(self) -> Owner:
        """Owner of the components: the file name as distribution, its checksum as version."""
        name = self.path.name
        return Owner(
            name,
            f"sha256:{self.sha256[:VERSION_DIGITS]}",
            self.path.stem,
            str(self.path),
            self.source,
        )

    @property
    def module_name(self) -> str:
        """Unique name of the module, derived from path and content of the file."""
        digest = hashlib.sha256(f"{self.path} {self.sha256}".encode()).hexdigest()
        return f"skyred_plugin_{re.sub(r'[^0-9a-zA-Z_]', '_', self.path.stem)}_{digest[:8]}"

    def load(self) -> ModuleType:
        """Import the file as a module, once in each process.

        Returns
        -------
        module
            The module.

        Raises
        ------
        PluginError
            If the file cannot be read any more, or has changed since it was read.
        """
        if loaded_module := sys.modules.get(self.module_name):
            return loaded_module
        source = self.source or _read_source(self.path)
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
        self._register_pickling(module)
        return module

    def _register_pickling(self, module: ModuleType) -> None:
        """Register the classes of the module, so that unpickling an instance loads the file."""

        def reduce(instance: object) -> tuple[Any, ...]:
            create, arguments, *state = cast("tuple[Any, ...]", instance.__reduce_ex__(2))
            return _unpickle_instance, (self, create, arguments), *state

        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                copyreg.pickle(value, reduce)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self.path, self.sha256)


def file_of(cls: type) -> OneFile | None:
    """Return the one-file plugin that defines a class.

    Parameters
    ----------
    cls : type
        The class.

    Returns
    -------
    OneFile or None
        The plugin; None if the class is not defined in a one-file plugin.
    """
    return getattr(sys.modules.get(cls.__module__), "__skyred_plugin__", None)


def _unpickle(path: Path, sha256: str) -> OneFile:
    file = OneFile(path, sha256)
    file.load()
    return file


def _unpickle_instance(
    _: OneFile, create: Callable[..., object], arguments: tuple[Any, ...]
) -> object:
    # pickle has unpickled the first argument, and thereby loaded the file with the class
    return create(*arguments)


def _read_source(path: Path) -> bytes:
    if path.suffix != ".py":
        raise PluginError(f"{path} is not a Python file; expected a name that ends in .py")
    try:
        return path.read_bytes()
    except OSError as error:
        raise PluginError(
            f"the plugin {path} cannot be read: {error.strerror}; expected a Python file "
            "(installed plugins need no --plugin)"
        ) from None


def line_in_file(path: Path, error: BaseException) -> str:
    """Return the location of an error in a file, for an error message.

    Parameters
    ----------
    path : Path
        The file.
    error : BaseException
        The error.

    Returns
    -------
    str
        The line and the file in brackets; "" if the error was not raised in this file.
    """
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f" (line {lines[-1]} of {path.name})" if lines else ""
