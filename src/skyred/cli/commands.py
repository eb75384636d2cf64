"""The commands run, check, plugins and show.

What is slow to import is imported inside the command that needs it: `--help` is to be quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skyred.records import STEPS

if TYPE_CHECKING:
    from skyred.pipeline import Pipeline
    from skyred.plugins import Plugins
    from skyred.result import Result

_FILE = click.argument("file", type=click.Path(path_type=Path))
_SET = click.option(
    "--set",
    "overrides",
    metavar="PATH=VALUE",
    multiple=True,
    help="Put a value in the place of what the file says (data.hess.stack.kind=keep).",
)


@click.command()
@_FILE
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Run folder; by default the file's name without its ending.",
)
@click.option("--engine", default="serial", show_default=True, help="Where the work runs.")
@click.option("--workers", type=click.IntRange(min=1), help="How many workers the engine has.")
@click.option("--until", type=click.Choice(STEPS), default=STEPS[-1], help="Last step to take.")
@click.option("--overwrite", is_flag=True, help="Replace a run folder that is there.")
@_SET
def run(
    file: Path,
    output: Path | None,
    engine: str,
    workers: int | None,
    until: str,
    overwrite: bool,
    overrides: tuple[str, ...],
) -> None:
    """Run the analysis that FILE describes."""
    plugins, pipeline = _read(file, overrides)
    chosen = make_engine(plugins, engine, workers)
    folder = output or Path(file.stem)
    result = pipeline.run(folder, until=until, engine=chosen, overwrite=overwrite, plugins=plugins)
    report_result(result)
    if any(outcome.status == "failed" for outcome in result.outcomes):
        sys.exit(3)  # they were left out on purpose (on_error: skip), but the status says so


@click.command()
@_FILE
@_SET
def check(file: Path, overrides: tuple[str, ...]) -> None:
    """Check the analysis that FILE describes, without reading any data."""
    _, pipeline = _read(file, overrides)
    links = sum(1 for _ in pipeline.components())
    click.echo(f"{file}: no problems; {links} components, digest {pipeline.digest()[:16]}")


@click.command()
def plugins() -> None:
    """List the installed plugins and what they offer; name what is wrong with them."""
    from skyred.plugins import Plugins

    found = Plugins.load()
    for known in found.loaded:
        state = " (left out by SKYRED_BLOCK)" if known.blocked else " FAULTY" if known.fault else ""
        owner = known.owner
        click.echo(f"{owner.plugin}  {owner.distribution} {owner.version}  {known.module}{state}")
        for entry in found.catalog:
            if entry.owner == owner:
                title = f"{entry.cls.role} {entry.cls.kind}"
                click.echo(f"    {title:<28} {entry.cls.summary()}")
    for fault in found.faults():
        click.echo(fault, err=True)


@click.command()
@click.argument("kind")
def show(kind: str) -> None:
    """Show what KIND is: its options with types, units and defaults."""
    from skyred.cli.describe import describe
    from skyred.errors import ConfigError, Problem
    from skyred.plugins import Plugins

    catalog = Plugins.load().catalog
    entries = catalog.find(kind)
    if not entries:
        import difflib

        kinds = sorted({entry.cls.kind for entry in catalog})
        near = difflib.get_close_matches(kind, kinds, 1)
        raise ConfigError(
            [Problem((), f"there is no kind {kind!r}", f"there are {', '.join(kinds)}", *near)]
        )
    click.echo("\n\n".join(describe(entry) for entry in entries))


def _read(file: Path, overrides: tuple[str, ...]) -> tuple[Plugins, Pipeline]:
    from skyred.pipeline import Pipeline
    from skyred.plugins import Plugins

    found = Plugins.load()
    return found, Pipeline.from_yaml(file, overrides=overrides, plugins=found)


def make_engine(plugins: Plugins, kind: str, workers: int | None) -> Any:
    """Make an engine from what the command line says."""
    from skyred.errors import ConfigError, Problem
    from skyred.fields import specs

    engine = plugins.catalog.get("engine", kind)
    if workers is None:
        return engine()
    if "workers" not in specs(engine):
        raise ConfigError(
            [
                Problem(
                    ("--workers",), f"the engine {kind!r} has no workers", "try --engine processes"
                )
            ]
        )
    return engine(workers=workers)


def report_result(result: Result) -> None:
    """Say what came out and where it is."""
    if result.fit is not None:
        click.echo(str(result.fit))
    if result.outcomes:
        made = sum(outcome.status in ("made", "cached") for outcome in result.outcomes)
        click.echo(f"{made} of {len(result.outcomes)} observations are in the result")
    click.echo(f"results are in {result.folder}")
