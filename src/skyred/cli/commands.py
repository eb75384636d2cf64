"""The `run`, `plugins` and `show` commands.

Modules that are slow to import are imported inside the commands, so that `--help` is fast.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skyred.cli.engine import make_engine
from skyred.cli.log_options import log_options
from skyred.cli.plugin_commands import plugin_commands
from skyred.io.garbage_collection import pause_collection
from skyred.io.requirements import unmet_requirements
from skyred.plugins.entry_points import distribution_info

if TYPE_CHECKING:
    from skyred.cli.plugin_commands import CommandPlugin, PluginCommands
    from skyred.interfaces import Component
    from skyred.pipeline import Pipeline
    from skyred.plugins import LoadedPlugin, Plugins
    from skyred.result import Result

# a copy of `skyred.interfaces.records.STEPS`: importing it would make `--help` slow
STEPS = ("select", "reduce", "model", "fit", "estimate")
FILE = click.argument("file", type=click.Path(path_type=Path))
SET = click.option(
    "--set",
    "overrides",
    metavar="PATH=VALUE",
    multiple=True,
    help="Add a value to FILE, or replace one (data.hess.stack.kind=keep).",
)
PLUGIN = click.option(
    "--plugin",
    "plugin_files",
    metavar="FILE.py",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A Python file to use as a plugin, in addition to installed plugins.",
)


@click.command()
@FILE
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Run folder; by default the name of FILE without its extension.",
)
@click.option(
    "--engine",
    metavar="KIND|YAML",
    help="The engine: serial (the default), processes, or with options {kind: processes, "
    "workers: 4}.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of workers of the engine, which reduce the runs and share the work of some "
    "estimators.",
)
@click.option("--until", type=click.Choice(STEPS), default=STEPS[-1], help="Last step to execute.")
@click.option("--overwrite", is_flag=True, help="Replace an existing run folder.")
@click.option(
    "--cache",
    "cache_folder",
    type=click.Path(path_type=Path),
    help="Folder of the cache; by default the user's cache folder (see skyred cache).",
)
@click.option("--no-cache", is_flag=True, help="Neither read from the cache nor write to it.")
@click.option("--no-plots", is_flag=True, help="Draw no plots in the run folder.")
@click.option("--no-report", is_flag=True, help="Write no HTML report to the run folder.")
@SET
@PLUGIN
@log_options()
def run(
    file: Path,
    output: Path | None,
    engine: str | None,
    workers: int | None,
    until: str,
    overwrite: bool,
    cache_folder: Path | None,
    no_cache: bool,
    no_plots: bool,
    no_report: bool,
    overrides: tuple[str, ...],
    plugin_files: tuple[Path, ...],
) -> None:
    """Run the analysis with the configuration FILE."""
    plugins, pipeline = read_pipeline(file, overrides, plugin_files)
    selected_engine = make_engine(plugins, engine, workers)
    folder = output or Path(file.stem)
    result = pipeline.run(
        folder,
        until=until,
        engine=selected_engine,
        overwrite=overwrite,
        plugins=plugins,
        cache=False if no_cache else cache_folder,
        plots=not no_plots,
        report=not no_report,
    )
    report_result(result)
    if any(outcome.status == "failed" for outcome in result.outcomes):
        sys.exit(3)  # failed runs were skipped (on_error: skip), but the exit code reports them


@click.command()
@PLUGIN
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    help="Format of the list; markdown and json include the licences and links of distributions.",
)
@click.pass_context
def plugins(ctx: click.Context, plugin_files: tuple[Path, ...], output_format: str) -> None:
    """List the installed plugins with their components, commands and faults."""
    from skyred.plugins import Plugins
    from skyred.plugins.unmet_requirements import describe_unmet_requirements

    installed_plugins = Plugins.load(files=plugin_files)
    commands_of_plugins = plugin_commands(ctx)
    if output_format == "text":
        _echo_plugins(installed_plugins, commands_of_plugins)
    else:
        from skyred.cli.registry import format_json, format_markdown, read_registry

        format_registry = format_json if output_format == "json" else format_markdown
        click.echo(format_registry(read_registry(installed_plugins, commands_of_plugins)))
    unmet = (
        message
        for loaded_plugin in installed_plugins.loaded
        for message in describe_unmet_requirements(loaded_plugin.owner)
        if not loaded_plugin.blocked
    )
    messages = [*installed_plugins.faults(), *commands_of_plugins.faults(), *unmet]
    for message in dict.fromkeys(messages):
        click.echo(message, err=True)


def _echo_plugins(installed_plugins: Plugins, commands_of_plugins: PluginCommands) -> None:
    for loaded_plugin in installed_plugins.loaded:
        owner = loaded_plugin.owner
        title = f"{owner.plugin}  {owner.distribution} {owner.version}  {loaded_plugin.module}"
        click.echo(f"{title}{_format_status(loaded_plugin)}")
        for entry in installed_plugins.catalog:
            if entry.owner == owner:
                _echo_component(
                    f"{entry.cls.role} {installed_plugins.catalog.name(entry)}",
                    f"{entry.cls.summary()}{_format_missing(entry.cls)}",
                )
        for model in installed_plugins.catalog.models:
            if model.owner == owner:
                name = installed_plugins.catalog.models.name(model)
                title = f"{model.declaration.submodel} model {name}"
                _echo_component(title, model.declaration.doc)
    for plugin in commands_of_plugins.plugins:
        point = plugin.entry_point
        title = f"{point.name}  {' '.join(distribution_info(point))}  {point.value}"
        click.echo(f"{title}{_format_status(plugin)}")
        for name, command in plugin.commands.items() if plugin.works else ():
            _echo_component(f"command {name}", command.get_short_help_str(limit=100))


def _format_missing(cls: type[Component]) -> str:
    return "".join(
        f" (needs {unmet.requirement}, {unmet.state})" for unmet in unmet_requirements(cls.requires)
    )


def _format_status(plugin: LoadedPlugin | CommandPlugin) -> str:
    return " (blocked by SKYRED_BLOCK)" if plugin.blocked else " FAULTY" if plugin.fault else ""


def _echo_component(title: str, summary: str) -> None:
    click.echo(f"    {title:<28} {summary}")


@click.command()
@click.argument("kind")
@PLUGIN
def show(kind: str, plugin_files: tuple[Path, ...]) -> None:
    """Show the description of the component KIND and its options with types, units and defaults.

    KIND can also be the type of a gammapy model that a plugin adds; its parameters are shown. For
    a class of gammapy, such as SafeMaskMaker, the corresponding component is shown.
    """
    from skyred.cli.describe import describe, describe_counterpart, describe_model
    from skyred.errors import ConfigError, Problem, nearest
    from skyred.plugins import Plugins

    catalog = Plugins.load(files=plugin_files).catalog
    entries, models = catalog.find(kind), catalog.models.find(kind)
    if not entries and not models:
        from skyred.conversion.counterparts import class_counterparts

        if kind in (counterparts := class_counterparts()):
            click.echo(describe_counterpart(counterparts[kind]))
            return
        kinds = sorted({catalog.name(entry) for entry in catalog} | catalog.models.tags())
        suggestion = nearest(kind, [*kinds, *counterparts])
        expected = f"available: {', '.join(kinds)}{catalog.describe_unavailable_plugins()}"
        raise ConfigError([Problem((), f"unknown kind {kind!r}", expected, suggestion)])
    descriptions = [
        *(describe(entry, catalog.name(entry)) for entry in entries),
        *map(describe_model, models),
    ]
    click.echo("\n\n".join(descriptions))


def read_pipeline(
    file: Path, overrides: tuple[str, ...], plugin_files: tuple[Path, ...] = ()
) -> tuple[Plugins, Pipeline]:
    """Read a configuration.

    Parameters
    ----------
    file : Path
        The YAML file.
    overrides : tuple of str
        Values that are added to the file or replace its values, each as ``path=value``.
    plugin_files : tuple of Path
        Python files to use as plugins, in addition to installed plugins.

    Returns
    -------
    plugins : Plugins
        The plugins.
    pipeline : Pipeline
        The pipeline.
    """
    with pause_collection():  # most modules are imported here, gammapy by the checks of the models
        from skyred.pipeline import Pipeline
        from skyred.plugins import Plugins

        plugins = Plugins.load(files=plugin_files)
        return plugins, Pipeline.from_yaml(file, overrides=overrides, plugins=plugins)


def report_result(result: Result) -> None:
    """Print the fit result, the number of observations and the run folder.

    Parameters
    ----------
    result : Result
        The result of the run.
    """
    if result.fit is not None:
        click.echo(str(result.fit))
    if result.outcomes:
        n_used = sum(outcome.status in ("reduced", "cached") for outcome in result.outcomes)
        click.echo(f"{n_used} of {len(result.outcomes)} observations are in the result")
    click.echo(f"results are in {result.folder}")
