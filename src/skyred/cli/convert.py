"""The `convert` command: convert configurations of gammapy and asgardpy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from skyred.errors import ConfigError

if TYPE_CHECKING:
    from skyred.conversion import Conversion


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write the configuration to; by default it is printed.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    help="File with models in gammapy's YAML format, for programs that read the models from a "
    "file of their own.",
)
def convert(file: Path, output: Path | None, overwrite: bool, models: Path | None) -> None:
    """Convert the configuration FILE of gammapy or asgardpy to a configuration of skyred.

    FILE is a configuration of gammapy's Analysis or Workflow, or of asgardpy. Settings that are not
    converted are listed with their line and the reason, also at the top of the new file. The exit
    code is 2 if they may change the results.
    """
    from skyred.conversion import convert as convert_file

    if output is not None and output.exists() and not overwrite:
        raise click.UsageError(f"{output} exists already; replace it with --overwrite")
    conversion = convert_file(file, models)
    if output is None:
        click.echo(conversion.yaml, nl=False)
    else:
        _write(output, conversion.yaml)
    _report(conversion, file, output)
    if any(setting.changes_results for setting in conversion.skipped):
        raise click.exceptions.Exit(2)


def _write(output: Path, content: str) -> None:
    try:
        output.write_text(content, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{output} cannot be written: {error.strerror}") from None


def _report(conversion: Conversion, file: Path, output: Path | None) -> None:
    """Print the settings that are not converted, problems of the new file, and the next command."""
    for setting in conversion.skipped:
        effect = "NOT CONVERTED" if setting.changes_results else "not converted"
        click.echo(f"{file}:{setting.line}:{setting.column}: {effect}: {setting}", err=True)
    from skyred.pipeline import Pipeline

    try:
        Pipeline.from_yaml(conversion.yaml if output is None else output)
    except ConfigError as error:
        prefix = "" if output is None else f"wrote {output}, but "
        click.echo(f"{prefix}the new configuration needs corrections:\n{error}", err=True)
        raise click.exceptions.Exit(2) from None
    if output is not None:
        arguments = "".join(f" {argument}" for argument in conversion.arguments)
        click.echo(f"wrote {output}; run it with: skyred run {output}{arguments}", err=True)
