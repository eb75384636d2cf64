"""The command line: run, check, plugins, show, demo, cache, export, new-plugin."""

from skyred.cli.main import main

__all__ = ["main"]
