"""The package and the distribution that define a class."""

from __future__ import annotations

import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

_SCRIPTS = {"__main__", "__mp_main__"}  # the same script in the main process and in a worker
_ONE_FILE = re.compile(r"skyred_plugin_(?P<stem>\w+)_[0-9a-f]{8}")  # see `OneFile.module_name`


def package_of(cls: type) -> str:
    """Return the top-level package of a class, for its canonical key.

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
    return match["stem"] if match else package


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
    package = cls.__module__.partition(".")[0]
    for point in entry_points(group="skyred"):
        if point.dist is not None and re.split(r"[.:]", point.value)[0] == package:
            return f"{point.dist.name} {point.dist.version}"
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file).name if file and _ONE_FILE.fullmatch(package) else cls.__module__
