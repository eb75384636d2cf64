"""The package and the distribution that define a class."""

from __future__ import annotations

import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

_SCRIPTS = {"__main__", "__mp_main__"}  # the same script in the main process and in a worker
_ONE_FILE = re.compile(r"skyred_plugin_(?P<stem>\w+)_[0-9a-f]{8}")  # see `OneFile.module_name`


def package_of(cls: type) -> str:
    """Return the package of a class, for its canonical key.

    It is the top-level package, or, in a namespace package, which several distributions share,
    the first package or module that is not one.

    Parameters
    ----------
    cls : type
        The class.

    Returns
    -------
    str
        The package; the name of the file for a one-file plugin; "" for skyred and for scripts,
        whose module has a different name in workers.
    """
    package = cls.__module__.partition(".")[0]
    if package == "skyred" or package in _SCRIPTS:
        return ""
    match = _ONE_FILE.fullmatch(package)
    return match["stem"] if match else _first_regular_package(cls.__module__)


def _first_regular_package(module: str) -> str:
    """Return the first part of a module's name that is not a namespace package."""
    parts = module.split(".")
    for n_parts in range(1, len(parts)):
        package = ".".join(parts[:n_parts])
        # a namespace package has a path but no file
        if getattr(sys.modules.get(package), "__file__", None) is not None:
            return package
        if not hasattr(sys.modules.get(package), "__path__"):  # an unknown package
            return parts[0]
    return module


def describe_origin(cls: type) -> str:
    """Return the distribution of a class with its version, for messages.

    Parameters
    ----------
    cls : type
        The class.

    Returns
    -------
    str
        Distribution and version; the file or the module of a class that no installed plugin has.
    """
    package = _first_regular_package(cls.__module__)
    for point in entry_points(group="skyred"):
        if point.dist is not None and re.match(rf"{re.escape(package)}([.:]|$)", point.value):
            return f"{point.dist.name} {point.dist.version}"
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file).name if file and _ONE_FILE.fullmatch(package) else cls.__module__
