"""Distributions with a plugin, written like an installation: a module and its metadata."""

from __future__ import annotations

from pathlib import Path


def install_distribution(
    folder: Path,
    name: str,
    code: str,
    *,
    plugin: str = "",
    version: str = "1.2",
    group: str = "skyred",
    cls: str = "",
) -> Path:
    """Install a distribution of one module into a folder; return the folder.

    Parameters
    ----------
    folder : Path
        A folder for `sys.path`.
    name : str
        Name of the distribution, and of its module with underscores.
    code : str
        The code of the module.
    plugin : str
        Name of the entry point; by default that of the distribution.
    version : str
        Version of the distribution.
    group : str
        Group of the entry point.
    cls : str
        Name of the class in the module that is the plugin; by default the module is.
    """
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    value = f"{module}:{cls}" if cls else module
    (info / "entry_points.txt").write_text(f"[{group}]\n{plugin or name} = {value}\n")
    return folder
