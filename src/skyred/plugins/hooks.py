"""The hooks that a plugin implements, and checks of their names and decorators."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from skyred import __version__, hookspecs
from skyred.errors import nearest
from skyred.hookspecs import API_VERSION
from skyred.plugins.entry_points import COMMAND_GROUP

if TYPE_CHECKING:
    from skyred.interfaces.records import Owner

COMMAND_HOOK = "skyred_commands"
API_ATTRIBUTE = "SKYRED_API"  # the version of the plugin API that a plugin is made for
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


def find_api_fault(plugin: Any) -> str:
    """Return the fault of a plugin that is made for a newer version of the plugin API.

    Parameters
    ----------
    plugin : module or object
        The plugin; `SKYRED_API` in it, or in the module of its class, is the version.

    Returns
    -------
    str
        The fault; "" if the version is supported, or not set.
    """
    module = sys.modules.get(type(plugin).__module__)
    version = getattr(plugin, API_ATTRIBUTE, getattr(module, API_ATTRIBUTE, None))
    if version is None:
        return ""
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        return f"{API_ATTRIBUTE} is {version!r}; expected an integer such as {API_VERSION}"
    if version > API_VERSION:
        return (
            f"it is made for version {version} of the plugin API, and skyred {__version__} has "
            f"version {API_VERSION}: update skyred (python -m pip install --upgrade skyred)"
        )
    return ""


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


def find_group_fault(implemented: Collection[str], owner: Owner) -> str:
    """Return the fault if a plugin implements a hook of another group, or a file has no hook.

    Parameters
    ----------
    implemented : collection of str
        The names of the decorated functions of the plugin.
    owner : Owner
        The plugin.

    Returns
    -------
    str
        The fault; "" if there is none.
    """
    if COMMAND_HOOK in implemented:
        return f"{COMMAND_HOOK}() is not allowed in this module: {_command_advice(owner)}"
    if owner.file and not implemented:
        return (
            "provides nothing; expected functions with the names of hooks, such as "
            "skyred_components(), decorated with @hookimpl"
        )
    return ""


def _command_advice(owner: Owner) -> str:
    if owner.file:
        return "a file cannot add commands; install a package that does (skyred new-plugin)"
    return f"move it to its own module, with an entry point in the group {COMMAND_GROUP}"
