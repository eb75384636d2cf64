"""Publishing: a run written to its folder, however it ends."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from skyred.orchestrator.folder import RunFolder
from skyred.orchestrator.logging import logged_to

if TYPE_CHECKING:
    from skyred.orchestrator.core import Orchestrator
    from skyred.result import Result

log = logging.getLogger(__name__)


def run_to_folder(
    orchestrator: Orchestrator, folder: str | Path | None, until: str, overwrite: bool
) -> Result:
    """Take the steps of an orchestrator; write and publish what they gave, or what they got to."""
    if folder is None:
        _watched(orchestrator, until)
        return orchestrator.result()
    place = RunFolder.create(folder, overwrite)
    orchestrator.record = attrs.evolve(orchestrator.record, folder=place.staging)
    failed = True
    try:
        with logged_to(place.staging / "log.jsonl"):
            _watched(orchestrator, until)
        failed = False
    finally:
        published = place.publish(failed)
        orchestrator.record = attrs.evolve(orchestrator.record, folder=published)
        if failed:
            log.error("the run failed; what it got to is in %s", published)
    return attrs.evolve(orchestrator.result(), folder=published)


def _watched(orchestrator: Orchestrator, until: str) -> None:
    watchers = orchestrator.watchers
    watchers.tell("skyred_run_started", run=orchestrator.record)
    state, error = "failed", ""
    try:
        orchestrator.take(until)
        state = "finished"
    except KeyboardInterrupt:
        state, error = "interrupted", "interrupted by the user"
        raise
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
        log.exception("the run failed")
        raise
    finally:
        if orchestrator.record.folder is not None:
            orchestrator.result().write(orchestrator.record.folder)
        report = orchestrator.report(state, error)
        watchers.tell("skyred_run_finished", run=orchestrator.record, report=report)
