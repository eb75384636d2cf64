"""The record of a run: its inputs, versions, steps and outcomes, as plain data."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from skyred.io.checksums import file_checksum
from skyred.io.versions import installed_version

if TYPE_CHECKING:
    from skyred.interfaces.records import Owner, Report, Run

# checksums of the inputs of a result, since both report.html and report.json contain them
_COMPUTED: WeakKeyDictionary[Any, dict[Path, str]] = WeakKeyDictionary()
PACKAGES = ("skyred", "gammapy", "astropy", "numpy", "scipy", "regions", "iminuit")


def describe_run(run: Run, report: Report, start_time: datetime) -> dict[str, Any]:
    """Return the content of ``report.json`` as plain data.

    Parameters
    ----------
    run : Run
        The run.
    report : Report
        The report of the run.
    start_time : datetime.datetime
        The start of the run, in UTC.

    Returns
    -------
    dict
        The content of ``report.json``.
    """
    return {
        "state": report.state,
        "error": report.error,
        "name": run.name,
        "digest": run.digest,
        "replaced": list(run.replaced),
        "started": start_time.isoformat(timespec="seconds"),
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
        "report": run.report,
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
    computed = _COMPUTED.setdefault(report.result, {})
    for path in dict.fromkeys(path for step in report.steps for path in step.inputs):
        checksum = checksums.get(path) or computed.get(path)
        if not checksum:
            checksum = computed[path] = file_checksum(path)
        yield path, checksum


def _replace_nan(outcome: dict[str, Any]) -> dict[str, Any]:
    """Replace NaN by None, since JSON has no NaN."""
    return {name: None if value != value else value for name, value in outcome.items()}  # noqa: PLR0124 - only NaN differs from itself
