"""The hooks that a plugin implements, and checks of their names and decorators."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from types import ModuleType
from typing import Any

import pluggy

from skyred import hookspecs
from skyred.errors import nearest

COMMAND_HOOK = "skyred_commands"
MARKER = f"{hookspecs.PROJECT}_impl"  # the attribute that pluggy's `HookimplMarker` sets
HOOKS = [name for name in vars(hookspecs) if name.startswith("skyred_")]


class _PluginManager(pluggy.PluginManager):
    """A plugin manager that looks for hooks among the functions of a module only."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        # pluggy inspects each class and module that a plugin imports
        if isinstance(plugin, ModuleType):
            value = vars(plugin).get(name)
            is_routine = not isinstance(value, type) and inspect.isroutine(value)
            if not (is_routine and hasattr(value, MARKER)):
                return None
        return super().parse_hookimpl_opts(plugin, name)


def create_manager() -> pluggy.PluginManager:
    """Create a plugin manager with the hooks of skyred, without plugins.

    Returns
    -------
    pluggy.PluginManager
        The manager.
    """
    manager = _PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def implemented_hooks(manager: pluggy.PluginManager, plugin: Any) -> list[str]:
    """Return the names of the functions of a plugin that are decorated with ``@hookimpl``.

    Parameters
    ----------
    manager : pluggy.PluginManager
        A plugin manager of skyred.
    plugin : module or object
        The plugin.

    Returns
    -------
    list of str
        The names.
    """
    return [name for name in dir(plugin) if manager.parse_hookimpl_opts(plugin, name) is not None]


def find_hook_error(plugin: Any, implemented: Collection[str]) -> str:
    """Find an error in the names or decorators of the hooks of a plugin.

    Parameters
    ----------
    plugin : module or object
        The plugin.
    implemented : collection of str
        The names of its decorated functions.

    Returns
    -------
    str
        The error message; "" if there is no error.
    """
    for name in dir(plugin):
        if name not in HOOKS and (name in implemented or name.startswith("skyred_")):
            suggestion = nearest(name, HOOKS)
            hint = f" (did you mean {suggestion!r}?)" if suggestion else ""
            return f"unknown hook {name!r}{hint}"
        if name in HOOKS and name not in implemented:
            return f"{name} is not decorated: decorate it with @hookimpl"
    return ""


def describe_registration_error(
    manager: pluggy.PluginManager, plugin: Any, error: Exception
) -> str:
    """Return the reason why a plugin cannot be registered.

    Parameters
    ----------
    manager : pluggy.PluginManager
        A plugin manager of skyred.
    plugin : module or object
        The plugin.
    error : Exception
        The exception raised by pluggy.

    Returns
    -------
    str
        The unknown argument of a hook, or pluggy's message on one line.
    """
    for name in implemented_hooks(manager, plugin):
        available = list(getattr(manager.hook, name).spec.argnames)
        for argument in inspect.signature(getattr(plugin, name)).parameters:
            if argument not in available:
                return (
                    f"the hook {name} has no argument {argument!r}; "
                    f"available: {', '.join(available) or 'none'}"
                )
    return f"cannot be registered: {' '.join(str(error).split())}"
