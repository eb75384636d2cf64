"""Entry points of plugins, in loading order, with blocked plugins and error messages."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

COMPONENT_GROUP = "skyred"
COMMAND_GROUP = "skyred.commands"
BLOCK_VARIABLE = "SKYRED_BLOCK"


def find_entry_points(group: str) -> list[EntryPoint]:
    """Return the installed entry points of a group, in loading order.

    Parameters
    ----------
    group : str
        The name of the group.

    Returns
    -------
    list of EntryPoint
        The entry points.
    """
    # Python reads the metadata of each installed distribution again for each call
    return list(_find_installed(group, tuple(map(_describe_folder, sys.path)), len(sys.meta_path)))


@lru_cache(maxsize=8)
def _find_installed(
    group: str, folders: tuple[tuple[str, int], ...], n_finders: int
) -> list[EntryPoint]:
    return sort_entry_points(entry_points(group=group))


def _describe_folder(folder: str) -> tuple[str, int]:
    """Return a folder and the time when a distribution was last installed in it or removed."""
    try:
        return folder, Path(folder).stat().st_mtime_ns
    except OSError:  # an entry of `sys.path` need not exist
        return folder, 0


def sort_entry_points(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Sort entry points by distribution and name, those of skyred first.

    If an entry point of another distribution has the same name as one of skyred's, skyred's is
    loaded.

    Parameters
    ----------
    points : iterable of EntryPoint
        The entry points.

    Returns
    -------
    list of EntryPoint
        The entry points, sorted.
    """

    def order(point: EntryPoint) -> tuple[bool, str, str]:
        distribution, _ = distribution_info(point)
        return distribution != "skyred", distribution, point.name

    return sorted(points, key=order)


def distribution_info(point: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the distribution that provides an entry point.

    Parameters
    ----------
    point : EntryPoint
        The entry point.

    Returns
    -------
    name, version : str
        Name and version of the distribution; "unknown" and "" if there is none.
    """
    if point.dist is None:
        return "unknown", ""
    content = point.dist.read_text("METADATA")  # `metadata` parses it as an e-mail, slowly
    values = _read_header(content or "")
    if not {"Name", "Version"} <= values.keys():  # an old format of metadata
        return point.dist.metadata["Name"], point.dist.metadata["Version"]
    return values["Name"], values["Version"]


def _read_header(content: str) -> dict[str, str]:
    """Return the first value of each field in the metadata of a distribution, up to the text."""
    header: dict[str, str] = {}
    for line in content.splitlines():
        if not line:
            break
        name, separator, value = line.partition(":")
        if separator:
            header.setdefault(name, value.strip())
    return header


def blocked_names() -> set[str]:
    """Return the names of the plugins and distributions that the user has blocked.

    Returns
    -------
    set of str
        The names in the environment variable SKYRED_BLOCK.
    """
    return {name.strip() for name in os.environ.get(BLOCK_VARIABLE, "").split(",") if name.strip()}


def describe_fault(
    plugin: str, distribution: str, version: str, module: str, fault: str, block: str
) -> str:
    """Return the error message for a faulty plugin, with its distribution, the reason and the fix.

    Parameters
    ----------
    plugin, distribution, version : str
        The name of the entry point, and the name and version of its distribution.
    module : str
        The module or file of the plugin.
    fault : str
        The reason why the plugin cannot be used.
    block : str
        The value of SKYRED_BLOCK that blocks the plugin.

    Returns
    -------
    str
        The message.
    """
    return (
        f"plugin {plugin!r} of {distribution} {version} ({module}): {fault}; fix or remove "
        f"the plugin, or block it with {BLOCK_VARIABLE}={block}"
    )
