"""The `check` command: check configurations and the runs that they select."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from skyred.cli.check_datasets import check_datasets
from skyred.cli.commands import FILE, PLUGIN, SET, read_pipeline
from skyred.cli.engine import make_engine
from skyred.cli.log_options import log_options

if TYPE_CHECKING:
    from gammapy.data import ObservationTable

    from skyred.inspection.records import Finding, RunInput
    from skyred.pipeline import Pipeline
    from skyred.plugins import Plugins
    from skyred.run.select import Selection

EXIT_FAULTY = 3
_TOLERATE = "use them anyway (data.NAME.on_fault: note)"
_SKIP = "or continue without them (data.NAME.on_error: skip)"
TASKS_PER_WORKER = 4  # submitted ahead of time


@click.command()
@FILE
@click.option("--no-data", is_flag=True, help="Check the configuration only; read no data.")
@click.option("--all-runs", is_flag=True, help="Inspect all runs of the archives, selected or not.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of processes for the inspection; by default it runs in the main process.",
)
@click.option(
    "--allow-outside",
    is_flag=True,
    help="Allow the index of the archive FILE to name files outside the archive, as the option "
    "allow_outside of data.NAME does in a configuration.",
)
@click.option(
    "--hdus",
    "hdus",
    multiple=True,
    metavar="KEY=PATTERN",
    help="Choose between several HDUs of one type in the archive FILE, as the option hdus of "
    "data.NAME does in a configuration: HDU_NAME='*_B9', psf=PSF_B9. Can be repeated.",
)
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="List every warning and note, not only the number of runs.",
)
@SET
@PLUGIN
@log_options(verbose=False)
def check(
    file: Path,
    no_data: bool,
    all_runs: bool,
    workers: int | None,
    allow_outside: bool,
    hdus: tuple[str, ...],
    verbose: bool,
    overrides: tuple[str, ...],
    plugin_files: tuple[Path, ...],
) -> None:
    """Check the configuration FILE, inspect the runs that it selects, and read its datasets.

    FILE may also be an archive: a folder, an HDU index, a DL3 file, or a location such as
    sim:crab. Then all its runs are inspected.
    """
    if _is_archive(file):
        from skyred.plugins import Plugins

        inspector = Inspector(Plugins.load(files=plugin_files), workers, verbose)
        store = inspector.plugins.open_archive(str(file))
        runs = _all_runs(store, allow_outside, _parse_patterns(hdus))
        has_fault = inspector.inspect(str(file), *runs)
    else:
        if allow_outside or hdus:
            raise click.UsageError(
                "--allow-outside and --hdus are options for archives; in a configuration, set "
                "data.NAME.allow_outside: true (--set data.NAME.allow_outside=true) or "
                "data.NAME.hdus"
            )
        plugins, pipeline = read_pipeline(file, overrides, plugin_files)
        n_components = sum(1 for _ in pipeline.components())
        click.echo(
            f"{file}: no problems; {n_components} components, digest {pipeline.digest()[:16]}"
        )
        if no_data:
            return
        has_fault = _check_data(pipeline, all_runs, Inspector(plugins, workers, verbose))
    if has_fault:
        sys.exit(EXIT_FAULTY)


Runs = tuple[Sequence["RunInput"], Sequence["Finding"]]
Tables = dict[str, "ObservationTable"]


def _check_data(pipeline: Pipeline, all_runs: bool, inspector: Inspector) -> bool:
    """Inspect the runs of a pipeline, read its datasets, and check that they fit into memory.

    Returns
    -------
    bool
        True if a run has a fault.
    """
    plugins = inspector.plugins
    tables: Tables = {}
    if all_runs:
        entries = _runs_of_archives(pipeline, plugins)
    else:
        entries, tables = _runs_of_entries(pipeline, plugins)
        _require_memory(pipeline, tables, 0)  # before the inspection, which may take long
    have_faults = [inspector.inspect(name, *runs) for name, runs in entries.items()]
    loaded_size = check_datasets(pipeline)
    if all_runs:
        tables = _select_tables(pipeline, plugins)
    _require_memory(pipeline, tables, loaded_size)
    return any(have_faults)


def _is_archive(file: Path) -> bool:
    name = str(file)
    return file.is_dir() or ".fits" in file.name or (":" in name and not file.exists())


def _parse_patterns(assignments: Iterable[str]) -> dict[str, str]:
    patterns = {}
    for assignment in assignments:
        key, equals, pattern = assignment.partition("=")
        if not (key and equals and pattern):
            raise click.BadParameter(f"{assignment!r}; expected KEY=PATTERN", param_hint="--hdus")
        patterns[key] = pattern
    return patterns


def _all_runs(store: Any, allow_outside: bool, hdus: Mapping[str, Any]) -> Runs:
    from skyred.inspection.hdu_choice import choose_hdus
    from skyred.inspection.index import list_run_inputs

    choice = choose_hdus(store.hdu_table, hdus)
    inputs = list_run_inputs(
        store.hdu_table, store.obs_table, allow_outside=allow_outside, choice=choice
    )
    return inputs, ()


def _runs_of_archives(pipeline: Pipeline, plugins: Plugins) -> dict[str, Runs]:
    """Return all runs of the archives, once for each archive.

    Returns
    -------
    dict of str to Runs
        The runs, by the names of the data entries that use the archive.
    """
    from skyred.run.select import open_store

    names_by_archive: dict[tuple[object, ...], list[str]] = {}
    for name, reduction in pipeline.reductions():
        key = (reduction.archive, reduction.allow_outside, reduction.hdus)
        names_by_archive.setdefault(key, []).append(name)
    runs: dict[str, Runs] = {}
    for names in names_by_archive.values():
        reduction = pipeline.data[names[0]]
        store = open_store(reduction, plugins)
        runs[", ".join(f"data.{name}" for name in names)] = _all_runs(
            store, reduction.allow_outside, reduction.hdus
        )
    return runs


def _select_tables(pipeline: Pipeline, plugins: Plugins) -> Tables:
    """Return the selected observations, by data entry."""
    from skyred.run.select import open_store, select_table

    return {
        name: select_table(name, reduction, open_store(reduction, plugins), plugins.catalog)
        for name, reduction in pipeline.reductions()
    }


def _runs_of_entries(pipeline: Pipeline, plugins: Plugins) -> tuple[dict[str, Runs], Tables]:
    """Return the runs that each data entry selects.

    Returns
    -------
    runs : dict of str to Runs
        The runs, by data entry.
    tables : dict of str to ObservationTable
        The selected observations, by data entry.
    """
    from skyred.run.select import select

    selections = {
        name: select(name, reduction, plugins) for name, reduction in pipeline.reductions()
    }
    runs = {f"data.{name}": _selected_runs(selection) for name, selection in selections.items()}
    return runs, {name: selection.table for name, selection in selections.items()}


def _require_memory(pipeline: Pipeline, tables: Tables, loaded: float) -> None:
    """Raise an error if the datasets of all entries do not fit into memory.

    Parameters
    ----------
    pipeline : Pipeline
        The pipeline.
    tables : dict of str to ObservationTable
        The selected observations, by data entry.
    loaded : float
        The size of the datasets that are read from files, in bytes.
    """
    from skyred.run.memory import require_memory

    require_memory(tables, pipeline.data, loaded)


def _selected_runs(selection: Selection) -> Runs:
    from skyred.inspection.records import Finding

    findings = [Finding(outcome.reason, obs_id=outcome.obs_id) for outcome in selection.outcomes]
    failed_ids = {outcome.obs_id for outcome in selection.outcomes}
    return [run for obs_id, run in selection.inputs.items() if obs_id not in failed_ids], findings


@attrs.frozen
class Inspector:
    """The inspection of runs on the command line.

    Parameters
    ----------
    plugins : Plugins
        The plugins.
    workers : int or None
        The number of processes; None to inspect in this process.
    verbose : bool
        Whether to print warnings and notes of each run.
    """

    plugins: Plugins
    workers: int | None
    verbose: bool

    def inspect(self, name: str, runs: Sequence[RunInput], skipped: Sequence[Finding]) -> bool:
        """Inspect runs and print the findings.

        Parameters
        ----------
        name : str
            The name of the archive or data entry.
        runs : sequence of RunInput
            The runs to inspect.
        skipped : sequence of Finding
            Findings about selected runs that have already failed and are not inspected.

        Returns
        -------
        bool
            True if a run has a fault.
        """
        if not runs and not skipped:
            click.echo(
                f"{name}: no runs to inspect; archives without an HDU index, or with a plugin's "
                "own class, are not inspected"
            )
            return False
        findings = [*skipped, *self._collect_findings(name, runs)]
        _report(findings, self.verbose)
        faults = [finding for finding in findings if finding.level == "fault"]
        if any(fault.rule for fault in faults):
            tolerate = f"{_TOLERATE}, " if any(fault.is_tolerable for fault in faults) else ""
            click.echo(f"{name}: fix or exclude the runs with faults, {tolerate}{_SKIP}")
        n_runs = len({run.obs_id for run in runs} | {finding.obs_id for finding in skipped})
        n_faulty = len({fault.obs_id for fault in faults})
        click.echo(f"{name}: {_format_runs(n_runs)} inspected, {n_faulty or 'none'} with faults")
        return bool(faults)

    def _collect_findings(self, name: str, runs: Sequence[RunInput]) -> list[Finding]:
        """Inspect runs, and show the progress."""
        from skyred.inspection.run import collect_findings
        from skyred.io.streaming import Workers, stream

        engine_kind = "serial" if self.workers is None else "processes"
        engine = make_engine(self.plugins, engine_kind, self.workers)
        n_tasks = TASKS_PER_WORKER * (self.workers or 1)
        with (
            Workers(engine.open) as executor,
            click.progressbar(
                stream(executor, collect_findings, runs, n_tasks),
                length=len(runs),
                label=f"{name}: inspecting",
                file=sys.stderr,
            ) as progress,
        ):
            return [finding for findings in progress for finding in findings]


def _report(findings: Iterable[Finding], verbose: bool) -> None:
    ids_by_finding: dict[tuple[str, str, str], set[int | None]] = {}
    lines_by_run: dict[int | None, list[str]] = {}
    for finding in findings:
        if finding.level != "fault":
            key = (finding.level, _summarise(finding.message), finding.remedy)
            ids_by_finding.setdefault(key, set()).add(finding.obs_id)
        if finding.level == "fault" or verbose:
            lines_by_run.setdefault(finding.obs_id, []).append(
                f"  {finding.level}: {finding.advice}"
            )
    for obs_id, lines in lines_by_run.items():
        click.echo("\n".join((f"run {obs_id}", *lines)))
    if not verbose:
        for (severity, message, remedy), obs_ids in ids_by_finding.items():
            advice = f"; {remedy}" if severity != "note" else ""
            click.echo(f"{severity}: {_format_runs(len(obs_ids))}: {message}{advice}")


def _summarise(message: str) -> str:
    """Return a message without its numbers in brackets, which differ between runs."""
    return message.split(" (", maxsplit=1)[0]


def _format_runs(n_runs: int) -> str:
    return f"{n_runs} run{'' if n_runs == 1 else 's'}"
