"""The `new-plugin` command: create a working plugin from templates."""

import click

from skyred.cli.new_plugin.command import new_plugin
from skyred.hookspecs import hookimpl

__all__ = ["new_plugin"]


@hookimpl
def skyred_commands(cli: click.Group) -> None:
    """Add the command new-plugin.

    Parameters
    ----------
    cli : click.Group
        The group of commands.
    """
    cli.add_command(new_plugin)
