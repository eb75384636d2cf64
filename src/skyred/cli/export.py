"""The `export` command: write an analysis as a plain gammapy script."""

from __future__ import annotations

from pathlib import Path

import click

from skyred.cli.commands import FILE, PLUGIN, SET, read_pipeline
from skyred.cli.log_options import log_options
from skyred.hookspecs import hookimpl


@click.command()
@FILE
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write the script to; by default the script is printed.",
)
@SET
@PLUGIN
@log_options()
def export(
    file: Path,
    output: Path | None,
    overrides: tuple[str, ...],
    plugin_files: tuple[Path, ...],
) -> None:
    """Write the analysis with the configuration FILE as a Python script that only needs gammapy."""
    from skyred.export import export as export_pipeline

    plugins, pipeline = read_pipeline(file, overrides, plugin_files)
    owners = {entry.cls: entry.owner.distribution for entry in plugins.catalog}
    content = export_pipeline(
        pipeline, str(file), lambda component: owners.get(type(component), "")
    )
    if output is None:
        click.echo(content, nl=False)
    else:
        output.write_text(content, encoding="utf-8")


@hookimpl
def skyred_commands(cli: click.Group) -> None:
    """Add the command export.

    Parameters
    ----------
    cli : click.Group
        The group of commands.
    """
    cli.add_command(export)
