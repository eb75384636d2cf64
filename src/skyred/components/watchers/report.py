"""The HTML report of a run, in its run folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from skyred.components.watchers.run_record import describe_run
from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from skyred.interfaces.records import Report, Run


@hookimpl
def skyred_run_finished(run: Run, report: Report) -> None:
    """Write ``report.html`` into the folder of the run, unless the run has none.

    The report shows the plots, which are written first.

    Parameters
    ----------
    run : Run
        The run.
    report : Report
        The report of the run, with its result.
    """
    if run.folder is None or not run.report:
        return
    from skyred.report import write_report

    seconds = sum(step.seconds for step in report.steps)
    start_time = datetime.now(UTC) - timedelta(seconds=seconds)
    write_report(report.result, describe_run(run, report, start_time), run.folder)
