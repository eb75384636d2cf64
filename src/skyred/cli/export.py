"""The command export: an analysis as a plain gammapy script."""

from __future__ import annotations

from pathlib import Path

import click

from skyred.cli.commands import FILE, PLUGIN, SET, read_pipeline
from skyred.hookspecs import hookimpl


@click.command()
@FILE
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The script; printed if left out.",
)
@SET
@PLUGIN
def export(
    file: Path,
    output: Path | None,
    overrides: tuple[str, ...],
    plugin_files: tuple[Path, ...],
) -> None:
    """Write the analysis that FILE describes as a Python script that needs gammapy alone."""
    from skyred.export import export as exported

    plugins, pipeline = read_pipeline(file, overrides, plugin_files)
    owners = {entry.cls: entry.owner.distribution for entry in plugins.catalog}
    text = exported(pipeline, str(file), lambda each: owners.get(type(each), ""))
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


@hookimpl
def skyred_commands(cli: click.Group) -> None:
    """Add the command export."""
    cli.add_command(export)
