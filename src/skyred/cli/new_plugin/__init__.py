"""The command new-plugin: a plugin to begin with, which installs, runs and obeys the laws."""

from skyred.cli.new_plugin.command import new_plugin

__all__ = ["new_plugin"]
