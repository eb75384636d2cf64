"""The commands that plugins add, loaded from entry points.

They are loaded by ``skyred --help``, by ``skyred plugins``, and when a command is called that is
not part of the core. A faulty plugin is reported; the commands of other plugins and of the core
still work.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.metadata import EntryPoint

import attrs
import click
import pluggy

from skyred import __version__
from skyred.errors import PluginError
from skyred.plugins.entry_points import (
    COMMAND_GROUP,
    blocked_names,
    describe_fault,
    distribution_info,
    find_entry_points,
)
from skyred.plugins.hooks import (
    COMMAND_HOOK,
    create_manager,
    describe_registration_error,
    find_api_fault,
    find_hook_error,
    implemented_hooks,
)

CORE = f"skyred {__version__}"
_KEY = f"{__name__}.loaded"


@attrs.frozen
class CommandPlugin:
    """A plugin of the entry-point group ``skyred.commands``.

    Parameters
    ----------
    entry_point : EntryPoint
        The entry point of the plugin.
    commands : mapping of str to click.Command
        The commands that the plugin adds, by name.
    fault : str
        The fault; "" if there is none.
    blocked : bool
        Whether the user blocked the plugin.
    """

    entry_point: EntryPoint
    commands: Mapping[str, click.Command] = attrs.field(factory=dict)
    fault: str = ""
    blocked: bool = False

    @property
    def distribution(self) -> str:
        """Name of the distribution of the plugin."""
        return distribution_info(self.entry_point)[0]

    @property
    def works(self) -> bool:
        """Whether the commands of the plugin can be used."""
        return not (self.fault or self.blocked)

    def __str__(self) -> str:
        return f"{' '.join(distribution_info(self.entry_point))} (plugin {self.entry_point.name!r})"


@attrs.define
class PluginCommands:
    """The commands that plugins add to the command line.

    Parameters
    ----------
    plugins : list of CommandPlugin
        All plugins that were found, including faulty and blocked plugins.
    """

    plugins: list[CommandPlugin] = attrs.field(factory=list)

    @classmethod
    def load(cls, core: Collection[str]) -> PluginCommands:
        """Load all plugins that add commands; faulty plugins are recorded.

        Parameters
        ----------
        core : collection of str
            Names of the commands of the core of skyred, which plugins cannot replace.

        Returns
        -------
        PluginCommands
            The commands.
        """
        commands = cls()
        for point in find_entry_points(COMMAND_GROUP):
            commands.plugins.append(commands._load(point, core))
        return commands

    def _load(self, point: EntryPoint, core: Collection[str]) -> CommandPlugin:
        if blocked_names() & {point.name, distribution_info(point)[0]}:
            return CommandPlugin(point, blocked=True)
        try:
            plugin = point.load()
            plugin = plugin() if isinstance(plugin, type) else plugin
        except (Exception, SystemExit) as error:  # other commands must still work
            return CommandPlugin(point, fault=f"cannot be imported: {_format_error(error)}")
        try:
            commands = _commands_of(plugin)
        except PluginError as error:
            return CommandPlugin(point, fault=str(error))
        except (Exception, SystemExit) as error:  # as above
            return CommandPlugin(point, fault=f"{COMMAND_HOOK}() failed: {_format_error(error)}")
        conflicts = (self._find_conflict(name, core) for name in commands)
        return CommandPlugin(
            point, commands, "; ".join(conflict for conflict in conflicts if conflict)
        )

    def _find_conflict(self, name: str, core: Collection[str]) -> str:
        owner = CORE if name in core else self.owner(name)
        return f"the command {name!r} is already provided by {owner}" if owner else ""

    def owner(self, name: str) -> CommandPlugin | None:
        """Return the plugin that adds a command, unless it is faulty or blocked.

        Parameters
        ----------
        name : str
            The name of the command.

        Returns
        -------
        CommandPlugin or None
            The plugin; None if no working plugin adds the command.
        """
        owners = (plugin for plugin in self.plugins if plugin.works and name in plugin.commands)
        return next(owners, None)

    def get(self, name: str) -> click.Command | None:
        """Return a command.

        Parameters
        ----------
        name : str
            The name of the command.

        Returns
        -------
        click.Command or None
            The command; None if no working plugin adds it.
        """
        owner = self.owner(name)
        return None if owner is None else owner.commands[name]

    def names(self) -> list[str]:
        """Return the names of the commands of all working plugins.

        Returns
        -------
        list of str
            The names.
        """
        return [name for plugin in self.plugins if plugin.works for name in plugin.commands]

    def raise_if_faulty(self, name: str) -> None:
        """Check that a command can be used.

        Parameters
        ----------
        name : str
            The name of the command.

        Raises
        ------
        PluginError
            If a faulty plugin adds a command of this name, unless skyred itself has this command.
        """
        owner = self.owner(name)
        if owner is not None and owner.distribution == "skyred":
            return
        faulty = [plugin for plugin in self.plugins if plugin.fault and name in plugin.commands]
        if faulty:
            raise PluginError("\n".join(map(self._describe, faulty)))

    def faults(self) -> list[str]:
        """Return the error messages of faulty plugins.

        Returns
        -------
        list of str
            One message for each faulty plugin.
        """
        return [self._describe(plugin) for plugin in self.plugins if plugin.fault]

    def _describe(self, plugin: CommandPlugin) -> str:
        point = plugin.entry_point
        distribution, version = distribution_info(point)
        names = [other_plugin.entry_point.name for other_plugin in self.plugins]
        # if several plugins have the same name, blocking this name would block all of them
        block = point.name if names.count(point.name) == 1 else distribution
        return describe_fault(point.name, distribution, version, point.value, plugin.fault, block)


def plugin_commands(ctx: click.Context) -> PluginCommands:
    """Return the commands of plugins, loaded at most once per invocation of the program.

    Parameters
    ----------
    ctx : click.Context
        The context of the program, or of one of its commands.

    Returns
    -------
    PluginCommands
        The commands.
    """
    program = ctx.find_root().command
    assert isinstance(program, click.Group)
    if _KEY not in ctx.meta:
        ctx.meta[_KEY] = PluginCommands.load(program.commands)
    commands: PluginCommands = ctx.meta[_KEY]
    return commands


def _commands_of(plugin: object) -> Mapping[str, click.Command]:
    """Return the commands that a plugin adds, by calling its hook with a new group.

    Parameters
    ----------
    plugin : module or object
        The plugin.

    Returns
    -------
    mapping of str to click.Command
        The commands by name.

    Raises
    ------
    PluginError
        If the plugin does not implement the hook correctly, or implements others.
    """
    manager = create_manager()
    hook_names = implemented_hooks(manager, plugin)
    if fault := find_api_fault(plugin) or find_hook_error(plugin, hook_names):
        raise PluginError(fault)
    if hook_names != [COMMAND_HOOK]:
        others = ", ".join(name for name in hook_names if name != COMMAND_HOOK)
        raise PluginError(
            f"entry points of {COMMAND_GROUP} may implement only {COMMAND_HOOK}; move {others} to "
            "an entry point in the group skyred"
            if others
            else f"provides no command; expected a function {COMMAND_HOOK}(cli) decorated with "
            "@hookimpl"
        )
    try:
        manager.register(plugin)
    except pluggy.PluginValidationError as error:  # arguments that the hook does not have
        raise PluginError(describe_registration_error(manager, plugin, error)) from error
    group = click.Group()
    manager.hook.skyred_commands(cli=group)
    return group.commands


def _format_error(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
