"""Publishing: a run written to its folder, however it ends."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from skyred.errors import ConfigError, Problem
from skyred.orchestrator.folder import RunFolder
from skyred.orchestrator.run_log import logged_to
from skyred.records import STEPS

if TYPE_CHECKING:
    from skyred.orchestrator.core import Orchestrator
    from skyred.result import Result

log = logging.getLogger(__name__)


def run_to_folder(
    orchestrator: Orchestrator, folder: str | Path | None, until: str, overwrite: bool
) -> Result:
    """Take the steps of an orchestrator; write and publish what they gave, or what they got to."""
    steps = steps_until(until)
    # without a folder: nothing may go into that of an earlier run
    orchestrator.record = attrs.evolve(orchestrator.record, steps=steps, folder=None)
    if folder is None:
        _watched(orchestrator, until)
        return orchestrator.result()
    _keep_inputs(orchestrator, Path(folder))
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
            log.error("the run did not finish; what it got to is in %s", published)
    return orchestrator.result().placed(published)


def steps_until(last: str) -> tuple[str, ...]:
    """Name the steps up to one of them; raises `ConfigError` if there is no such step."""
    if last not in STEPS:
        expected = f"expected one of {', '.join(STEPS)}"
        raise ConfigError([Problem((), f"there is no step {last!r}", expected)])
    return STEPS[: STEPS.index(last) + 1]


def _keep_inputs(orchestrator: Orchestrator, target: Path) -> None:
    """Refuse a run folder that holds what is read: replacing it would lose the input."""
    for path, place in orchestrator.pipeline.places():
        if place.is_path() and place.path().resolve().is_relative_to(target.resolve()):
            problem = Problem(path, f"{place} lies in the run folder {target}", "choose another -o")
            raise ConfigError([problem])


def _watched(orchestrator: Orchestrator, until: str) -> None:
    watchers = orchestrator.watchers
    watchers.tell("skyred_run_started", run=orchestrator.record)
    state, error = "failed", ""
    try:
        try:
            orchestrator.take(until)
        finally:
            if orchestrator.record.folder is not None:
                orchestrator.result().write(orchestrator.record.folder)
        state = "finished"
    except KeyboardInterrupt:
        state, error = "interrupted", "interrupted by the user"
        raise
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
        log.info("the run failed: %s", error, exc_info=True)  # for its log; who called is told
        raise
    finally:
        report = orchestrator.report(state, error)
        watchers.tell("skyred_run_finished", run=orchestrator.record, report=report)
