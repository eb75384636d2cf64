"""The command line: run, check, plugins, show, demo, cache."""

from skyred.cli.main import main

__all__ = ["main"]
