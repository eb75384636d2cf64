"""The command check: a configuration, and the runs that it is about, before anything is made."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from skyred.cli.commands import FILE, PLUGIN, SET, read_pipeline
from skyred.cli.engine import make_engine

if TYPE_CHECKING:
    from skyred.inspection.records import Finding, RunInput
    from skyred.interfaces import Reduction
    from skyred.pipeline import Pipeline
    from skyred.plugins import Plugins

FAULTY = 3
AHEAD = 4


@click.command()
@FILE
@click.option("--no-data", is_flag=True, help="Check the configuration alone; read no data.")
@click.option("--all-runs", is_flag=True, help="Inspect all runs of the archives, chosen or not.")
@click.option("--workers", type=click.IntRange(min=1), help="Inspect in so many processes.")
@click.option("-v", "--verbose", is_flag=True, help="List every note, not only how many runs.")
@SET
@PLUGIN
def check(
    file: Path,
    no_data: bool,
    all_runs: bool,
    workers: int | None,
    verbose: bool,
    overrides: tuple[str, ...],
    plugin_files: tuple[Path, ...],
) -> None:
    """Check the analysis that FILE describes, and the runs that it chooses.

    FILE may also be an archive: a folder with an index, an HDU index, or a DL3 file. Then all its
    runs are inspected.
    """
    if _is_archive(file):
        from skyred.plugins import Plugins

        plugins = Plugins.load(files=plugin_files)
        entries = {str(file): _all_runs(plugins.open_archive(str(file)), allow_outside=False)}
    else:
        plugins, pipeline = read_pipeline(file, overrides, plugin_files)
        links = sum(1 for _ in pipeline.components())
        click.echo(f"{file}: no problems; {links} components, digest {pipeline.digest()[:16]}")
        if no_data:
            return
        entries = (_of_archives if all_runs else _of_entries)(pipeline, plugins)
    faulty = [_inspect(name, *given, plugins, workers, verbose) for name, given in entries.items()]
    if any(faulty):
        sys.exit(FAULTY)


Runs = tuple[Sequence["RunInput"], Sequence["Finding"]]


def _is_archive(file: Path) -> bool:
    name = str(file)
    return file.is_dir() or ".fits" in file.name or (":" in name and not file.exists())


def _all_runs(store: Any, *, allow_outside: bool) -> Runs:
    from skyred.inspection.index import run_inputs

    return run_inputs(store.hdu_table, store.obs_table, allow_outside=allow_outside), ()


def _of_archives(pipeline: Pipeline, plugins: Plugins) -> dict[str, Runs]:
    """Give all runs of the archives, each once, however many entries use it."""
    from skyred.run.select import open_store

    users: dict[tuple[object, bool], list[str]] = {}
    for name, reduction in pipeline.reductions():
        users.setdefault((reduction.archive, reduction.allow_outside), []).append(name)
    return {
        ", ".join(f"data.{name}" for name in names): _all_runs(
            open_store(pipeline.data[names[0]], plugins), allow_outside=outside
        )
        for (_, outside), names in users.items()
    }


def _of_entries(pipeline: Pipeline, plugins: Plugins) -> dict[str, Runs]:
    """Give the runs that each entry chooses."""
    return {
        f"data.{name}": _chosen(name, reduction, plugins)
        for name, reduction in pipeline.reductions()
    }


def _chosen(name: str, reduction: Reduction, plugins: Plugins) -> Runs:
    from skyred.inspection.records import Finding
    from skyred.run.select import select

    chosen = select(name, reduction, plugins)
    lost = [Finding(outcome.reason, obs_id=outcome.obs_id) for outcome in chosen.outcomes]
    left_out = {outcome.obs_id for outcome in chosen.outcomes}
    return [run for obs_id, run in chosen.inputs.items() if obs_id not in left_out], lost


def _inspect(
    name: str,
    runs: Sequence[RunInput],
    lost: Sequence[Finding],
    plugins: Plugins,
    workers: int | None,
    verbose: bool,
) -> bool:
    """Inspect runs, print what is found; true if there is a fault."""
    if not runs and not lost:
        click.echo(f"{name}: the archive is a plugin's own, so its runs cannot be inspected")
        return False
    from skyred.inspection.run import findings_of
    from skyred.io.streaming import Workers, stream

    engine = make_engine(plugins, "serial" if workers is None else "processes", workers)
    found = list(lost)
    with (
        Workers(engine.open) as executor,
        click.progressbar(
            stream(executor, findings_of, runs, AHEAD * (workers or 1)),
            length=len(runs),
            label=f"{name}: inspecting",
            file=sys.stderr,
        ) as each,
    ):
        for findings in each:
            found += findings
    _report(found, verbose)
    faulty = {finding.obs_id for finding in found if finding.level == "fault"}
    number = len({run.obs_id for run in runs} | {finding.obs_id for finding in lost})
    click.echo(f"{name}: {_runs(number)} inspected, {len(faulty) or 'none'} with faults")
    return bool(faulty)


def _report(found: Iterable[Finding], verbose: bool) -> None:
    notes: Counter[str] = Counter()
    shown: dict[int | None, list[str]] = {}
    for finding in found:
        if finding.level == "note":
            notes[finding.message.split(" (")[0]] += 1
        if finding.level == "fault" or verbose:
            shown.setdefault(finding.obs_id, []).append(f"  {finding.level}: {finding}")
    for obs_id, lines in shown.items():
        click.echo("\n".join((f"run {obs_id}", *lines)))
    if not verbose:
        for message, number in notes.items():
            click.echo(f"note: {_runs(number)}: {message}")


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"
