"""A watcher that writes the progress of a run to a JSON file, for dashboards and batch systems.

The environment variable SKYRED_STATUS is the path of the file; without it, nothing is written.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skyred import Outcome, Report, Run, StepRecord, hookimpl

VARIABLE = "SKYRED_STATUS"


@hookimpl
def skyred_run_started(run: Run) -> None:
    """Write a new status."""
    update({}, state="running", steps=list(run.steps), finished=[], counts={}, observations=0)


@hookimpl
def skyred_step_started(run: Run, step: str) -> None:
    """Record the current step, and the number of observations once they are selected."""
    update(read(), step=step, observations=run.observations)


@hookimpl
def skyred_observation_reduced(run: Run, outcome: Outcome) -> None:
    """Count the observations by status."""
    status = read()
    counts = status.get("counts", {})
    counts[outcome.status] = counts.get(outcome.status, 0) + 1
    update(status, counts=counts)


@hookimpl
def skyred_step_finished(run: Run, step: str, record: StepRecord) -> None:
    """Record the duration of a step."""
    status = read()
    finished = {"step": step, "seconds": round(record.seconds, 3), "summary": record.summary}
    update(status, finished=[*status.get("finished", []), finished])


@hookimpl
def skyred_run_finished(run: Run, report: Report) -> None:
    """Record whether the run finished, failed or was interrupted."""
    update(read(), state=report.state, error=report.error, step="")


def read() -> dict[str, Any]:
    """Return the status in the file; empty if there is none."""
    path = os.environ.get(VARIABLE)
    if not path or not Path(path).is_file():
        return {}
    status: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    return status


def update(status: dict[str, Any], **changes: Any) -> None:
    """Replace the file at once, so that other programs never read a partial file."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    status = {**status, **changes, "updated": datetime.now(UTC).isoformat(timespec="seconds")}
    temporary = Path(f"{path}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(status, indent=1), "utf-8")
    temporary.replace(path)
