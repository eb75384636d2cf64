"""Provenance: `report.json`, with the inputs, versions and outcomes of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from skyred.components.watchers.run_record import describe_run
from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from skyred.interfaces.records import Report, Run


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
            json_text = json.dumps(
                describe_run(run, report, self.start_time), indent=1, allow_nan=False
            )
            (run.folder / "report.json").write_text(json_text + "\n", encoding="utf-8")


def _copy_plugins(folder: Path, report: Report) -> None:
    """Copy the single-file plugins of the run, since their version does not identify them."""
    for owner in report.owners:
        if owner.file:
            (folder / "plugins").mkdir(exist_ok=True)
            (folder / "plugins" / owner.distribution).write_bytes(owner.source)
