"""Entry points of plugins: their order, those that are left out, and errors that name the owner."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

COMPONENTS = "skyred"
COMMANDS = "skyred.commands"
BLOCK = "SKYRED_BLOCK"


def find_entry_points(group: str) -> list[EntryPoint]:
    """Return the installed entry points of a group, in the order in which they are loaded."""
    return in_load_order(entry_points(group=group))


def in_load_order(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Sort entry points by distribution and name, those of skyred first.

    So a third party that claims a name of skyred is the one that is refused.
    """

    def order(point: EntryPoint) -> tuple[bool, str, str]:
        distribution, _ = distribution_of(point)
        return distribution != "skyred", distribution, point.name

    return sorted(points, key=order)


def distribution_of(point: EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution that an entry point is from."""
    return ("unknown", "") if point.dist is None else (point.dist.name, point.dist.version)


def blocked() -> set[str]:
    """Return the names of plugins and distributions that the user left out."""
    return {name.strip() for name in os.environ.get(BLOCK, "").split(",") if name.strip()}


def describe_fault(
    plugin: str, distribution: str, version: str, module: str, fault: str, block: str
) -> str:
    """Return the error about a faulty plugin: whose it is, what is wrong, and what to do.

    Parameters
    ----------
    plugin, distribution, version : str
        The owner: name of the entry point, name and version of its distribution.
    module : str
        The module or file of the plugin.
    fault : str
        What is wrong with it.
    block : str
        The value of SKYRED_BLOCK that leaves the plugin out.
    """
    return (
        f"plugin {plugin!r} of {distribution} {version} ({module}): {fault}; fix or remove it, "
        f"or leave it out with {BLOCK}={block}"
    )
