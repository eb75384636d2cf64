"""The hooks that a plugin implements: whether their names and decorators are right."""

from __future__ import annotations

from typing import Any

import pluggy

from skyred import hookspecs
from skyred.errors import did_you_mean

COMMAND_HOOK = "skyred_commands"
HOOKS = [name for name in vars(hookspecs) if name.startswith("skyred_")]


def new_manager() -> pluggy.PluginManager:
    """Return a plugin manager that knows the hooks, and no plugins."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def implemented_hooks(manager: pluggy.PluginManager, plugin: Any) -> list[str]:
    """Return the names of the functions of a plugin that are decorated with ``@hookimpl``."""
    return [name for name in dir(plugin) if manager.parse_hookimpl_opts(plugin, name) is not None]


def find_misspelt_hook(manager: pluggy.PluginManager, plugin: Any) -> str:
    """Return what is wrong with the names or decorators of hooks; "" if nothing is."""
    implemented = implemented_hooks(manager, plugin)
    for name in dir(plugin):
        if name not in HOOKS and (name in implemented or name.startswith("skyred_")):
            return f"there is no hook {name!r}{did_you_mean(name, HOOKS)}"
        if name in HOOKS and name not in implemented:
            return f"{name} lacks its decorator: put @hookimpl above it"
    return ""
