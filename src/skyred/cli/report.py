"""The `report` command: write the HTML report of a run folder."""

from __future__ import annotations

from pathlib import Path

import click

from skyred.cli.commands import PLUGIN
from skyred.cli.log_options import log_options


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write the report to; by default FOLDER-report.html, beside the run folder.",
)
@click.option("--open", "open_page", is_flag=True, help="Open the report in the browser.")
@PLUGIN
@log_options()
def report(
    folder: Path, output: Path | None, open_page: bool, plugin_files: tuple[Path, ...]
) -> None:
    """Write the HTML report of the run FOLDER, also of an earlier run.

    The report is one file that needs no network. The run folder is read and verified, and not
    changed.
    """
    from skyred.plugins import Plugins
    from skyred.result import Result

    result = Result.read(folder, plugins=Plugins.load(files=plugin_files))
    path = output or folder.resolve().parent / f"{folder.resolve().name}-report.html"
    result.report(path)
    click.echo(f"the report is {path}")
    if open_page:
        click.launch(str(path))
