"""How the result came about: steps, software, inputs, and the command that repeats the run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from skyred.io.rounding import format_number
from skyred.report.tables import Column, Grid


@attrs.frozen
class Provenance:
    """The provenance of a result.

    Parameters
    ----------
    command : str
        The command that repeats the run.
    config : str
        The configuration as YAML; "" if the pipeline has none.
    notes : sequence of str
        Why the command would not repeat the run.
    grids : sequence of Grid
        Tables of steps, software, plugins and input files.
    """

    command: str
    config: str
    notes: Sequence[str]
    grids: Sequence[Grid]


def describe_provenance(
    config: str, replaced: Sequence[str], report: Mapping[str, Any]
) -> Provenance:
    """Return the provenance of a result.

    Parameters
    ----------
    config : str
        The configuration as YAML.
    replaced : sequence of str
        Steps whose output was replaced from Python.
    report : mapping
        The content of ``report.json``.

    Returns
    -------
    Provenance
        The provenance.
    """
    notes = []
    if not config:
        notes.append("The pipeline contains objects that cannot be written as YAML.")
    if replaced:
        notes.append(f"The output of {', '.join(replaced)} was replaced from Python.")
    files = [plugin["file"] for plugin in report.get("plugins", ()) if plugin.get("file")]
    plugins = "".join(f" --plugin {shlex.quote(file)}" for file in files)
    return Provenance(f"skyred run config.yaml -o repeated{plugins}", config, notes,
                      [grid for grid in _grids(report) if grid.rows])  # fmt: skip


def _grids(report: Mapping[str, Any]) -> Iterator[Grid]:
    rows: list[tuple[str, ...]] = [
        (step["name"], format_number(step["seconds"], 3), step["summary"])
        for step in report.get("steps", ())
    ]
    columns = [Column("Step"), Column("Time", "s", numeric=True), Column("Result")]
    yield Grid("Steps", columns, rows, is_open=True)
    software = {"python": report.get("python", ""), **report.get("versions", {})}
    software["platform"] = report.get("platform", "")
    rows = [(name, version) for name, version in software.items() if version]
    yield Grid("Software", [Column("Package"), Column("Version")], rows, is_open=True)
    names = ("plugin", "distribution", "version", "file")
    rows = [tuple(plugin.get(name, "") for name in names) for plugin in report.get("plugins", ())]
    yield Grid("Plugins of the components", [Column(name.capitalize()) for name in names], rows)
    rows = [(item["path"], item["sha256"]) for item in report.get("inputs", ())]
    yield Grid(f"Input files ({len(rows)})", [Column("File"), Column("SHA-256")], rows)
