"""The command new-plugin: a plugin to begin with, which installs, runs and obeys the laws."""

import click

from skyred.cli.new_plugin.command import new_plugin
from skyred.hookspecs import hookimpl

__all__ = ["new_plugin"]


@hookimpl
def skyred_commands(cli: click.Group) -> None:
    """Add the command new-plugin."""
    cli.add_command(new_plugin)
