"""Installed distributions that provide a plugin, each with one module and its metadata."""

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
    requires: str = "",
) -> Path:
    """Install a distribution of one module into a folder.

    Parameters
    ----------
    folder : Path
        A folder for `sys.path`.
    name : str
        Name of the distribution; its module has the same name with underscores.
    code : str
        The code of the module.
    plugin : str
        Name of the entry point; by default the name of the distribution.
    version : str
        Version of the distribution.
    group : str
        Group of the entry point.
    cls : str
        Name of the class that is the plugin; by default the module is the plugin.
    requires : str
        Lines with the requirements in the metadata.

    Returns
    -------
    Path
        The folder.
    """
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires.lstrip()}"
    )
    value = f"{module}:{cls}" if cls else module
    (info / "entry_points.txt").write_text(f"[{group}]\n{plugin or name} = {value}\n")
    return folder
