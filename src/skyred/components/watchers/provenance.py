"""Provenance: `report.json`, with the inputs, versions and outcomes of a run."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.hookspecs import hookimpl
from skyred.io.checksums import file_checksum
from skyred.io.versions import installed_version

if TYPE_CHECKING:
    from skyred.interfaces.records import Owner, Report, Run

PACKAGES = ("skyred", "gammapy", "astropy", "numpy", "scipy", "regions", "iminuit")


@attrs.define
class Provenance:
    """Watcher that writes the report of a run.

    The environment of the process is not recorded, because it may contain secrets.

    Parameters
    ----------
    start_time : datetime.datetime
        The start of the run, in UTC.
    """

    start_time: datetime = attrs.field(factory=lambda: datetime.now(UTC))

    @hookimpl
    def skyred_run_started(self, run: Run) -> None:
        """Record the start time.

        Parameters
        ----------
        run : Run
            The run.
        """
        self.start_time = datetime.now(UTC)

    @hookimpl(trylast=True)  # failures of the other watchers are part of the report
    def skyred_run_finished(self, run: Run, report: Report) -> None:
        """Write ``report.json`` into the folder of the run.

        Parameters
        ----------
        run : Run
            The run.
        report : Report
            The report of the run.
        """
        if run.folder is not None:
            _copy_plugins(run.folder, report)
            json_text = json.dumps(self.describe(run, report), indent=1, allow_nan=False)
            (run.folder / "report.json").write_text(json_text + "\n", encoding="utf-8")

    def describe(self, run: Run, report: Report) -> dict[str, Any]:
        """Return the content of the report as plain data.

        Parameters
        ----------
        run : Run
            The run.
        report : Report
            The report of the run.

        Returns
        -------
        dict
            The content of ``report.json``.
        """
        return {
            "state": report.state,
            "error": report.error,
            "digest": run.digest,
            "replaced": list(run.replaced),
            "started": self.start_time.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": sys.version.split()[0],
            "platform": platform.platform(),
            "versions": {name: installed_version(name) for name in PACKAGES},
            "plugins": [_describe_owner(owner) for owner in report.owners],
            "watchers": list(report.watchers),
            "watcher_seconds": {
                name: round(seconds, 3) for name, seconds in report.watcher_seconds.items()
            },
            "engine": dict(report.engine),
            "plots": run.plots,
            "steps": [
                {
                    "name": step.name,
                    "seconds": round(step.seconds, 3),
                    "summary": step.summary,
                    **({"notes": list(step.notes)} if step.notes else {}),
                }
                for step in report.steps
            ],
            "inputs": [
                {"path": str(path), "sha256": checksum} for path, checksum in _iter_inputs(report)
            ],
            # the only record of the kinds if the configuration cannot be written as YAML
            "estimates": dict(report.result.kinds),
            "outcomes": [_replace_nan(outcome.to_dict()) for outcome in report.outcomes],
        }


def _copy_plugins(folder: Path, report: Report) -> None:
    """Copy the single-file plugins of the run, since their version does not identify them."""
    for owner in report.owners:
        if owner.file:
            (folder / "plugins").mkdir(exist_ok=True)
            (folder / "plugins" / owner.distribution).write_bytes(owner.source)


def _describe_owner(owner: Owner) -> dict[str, str]:
    """Return the non-empty attributes of an owner."""
    names = ("distribution", "version", "plugin", "file")
    return {name: getattr(owner, name) for name in names if getattr(owner, name)}


def _iter_inputs(report: Report) -> Iterator[tuple[Path, str]]:
    """Yield each input file with its checksum.

    The checksum is that of the bytes that were read, if the step recorded it; otherwise it is
    computed from the file.

    Parameters
    ----------
    report : Report
        The report of the run.

    Yields
    ------
    tuple of pathlib.Path and str
        The file, and its SHA-256 checksum.
    """
    checksums = {path: checksum for step in report.steps for path, checksum in step.sums.items()}
    for path in dict.fromkeys(path for step in report.steps for path in step.inputs):
        yield path, checksums.get(path) or file_checksum(path)


def _replace_nan(outcome: dict[str, Any]) -> dict[str, Any]:
    """Replace NaN by None, since JSON has no NaN."""
    return {name: None if value != value else value for name, value in outcome.items()}  # noqa: PLR0124 - only NaN differs from itself
