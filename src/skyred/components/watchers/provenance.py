"""Provenance: `report.json`, what went into a run and what came of it."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.hookspecs import hookimpl
from skyred.io.sums import sum_of

if TYPE_CHECKING:
    from skyred.interfaces.records import Owner, Report, Run

PACKAGES = ("skyred", "gammapy", "astropy", "numpy", "scipy", "regions", "iminuit")


@attrs.define
class Provenance:
    """Notes when a run started, and writes the report when it ends.

    Nothing of the environment is written but versions: variables may hold secrets.
    """

    started: datetime = attrs.field(factory=lambda: datetime.now(UTC))

    @hookimpl
    def skyred_run_started(self, run: Run) -> None:
        """Note the time."""
        self.started = datetime.now(UTC)

    @hookimpl(trylast=True)  # what the others failed in belongs into the report
    def skyred_run_finished(self, run: Run, report: Report) -> None:
        """Write ``report.json`` into the run folder."""
        if run.folder is not None:
            _copy_files(run.folder, report)
            text = json.dumps(self.describe(run, report), indent=1, allow_nan=False)
            (run.folder / "report.json").write_text(text + "\n", encoding="utf-8")

    def describe(self, run: Run, report: Report) -> dict[str, Any]:
        """Give all that the report says, as plain data."""
        return {
            "state": report.state,
            "error": report.error,
            "digest": run.digest,
            "replaced": list(run.replaced),
            "started": self.started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": sys.version.split()[0],
            "platform": platform.platform(),
            "versions": {name: version(name) for name in PACKAGES},
            "plugins": [_owner(owner) for owner in report.owners],
            "watchers": list(report.watchers),
            "engine": dict(report.engine),
            "steps": [
                {"name": step.name, "seconds": round(step.seconds, 3), "summary": step.summary}
                for step in report.steps
            ],
            "inputs": [{"path": str(path), "sha256": held} for path, held in _inputs(report)],
            # a pipeline without YAML says it nowhere else
            "estimates": dict(report.result.kinds),
            "outcomes": [_plain(attrs.asdict(outcome)) for outcome in report.outcomes],
        }


def _copy_files(folder: Path, report: Report) -> None:
    """Keep the one-file plugins that took part, as they were: no version brings them back."""
    for owner in report.owners:
        if owner.file:
            (folder / "plugins").mkdir(exist_ok=True)
            (folder / "plugins" / owner.distribution).write_bytes(owner.source)


def _owner(owner: Owner) -> dict[str, str]:
    names = ("distribution", "version", "plugin", "file")
    return {name: getattr(owner, name) for name in names if getattr(owner, name)}


def _inputs(report: Report) -> Iterator[tuple[Path, str]]:
    """Yield each input with its sum: that of the bytes that were used, where it was taken."""
    used = {path: held for step in report.steps for path, held in step.sums.items()}
    for path in dict.fromkeys(path for step in report.steps for path in step.inputs):
        yield path, used.get(path) or sum_of(path)


def _plain(outcome: dict[str, Any]) -> dict[str, Any]:
    # JSON has no NaN
    return {name: None if value != value else value for name, value in outcome.items()}
