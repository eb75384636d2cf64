"""Publishing: a run written to its folder, however it ends."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from skyred.errors import ConfigError, DiskError, Problem
from skyred.interfaces.records import STEPS
from skyred.run.disk_space import disk_errors, needed_for, refuse_without_room, size_of
from skyred.run.log_file import logged_to
from skyred.run.run_folder import RunFolder

if TYPE_CHECKING:
    from skyred.result import Result
    from skyred.run.orchestrator import Orchestrator

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
    with RunFolder.create(folder, overwrite) as place:
        orchestrator.record = attrs.evolve(orchestrator.record, folder=place.staging)
        error = _error_of(orchestrator, until, place)
        with disk_errors(place.target.parent):
            published = place.publish(failed=error is not None)
    orchestrator.record = attrs.evolve(orchestrator.record, folder=published)
    if error is not None:
        log.error("the run did not finish; what it got to is in %s", published)
        raise error
    return orchestrator.result().placed(published)


def _error_of(orchestrator: Orchestrator, until: str, place: RunFolder) -> BaseException | None:
    """Take the steps and write what they gave; gives what stopped them, if anything did.

    Raises
    ------
    DiskError
        If the disk gave out: what was written is not whole, and not to be published.
    """
    try:
        with disk_errors(place.target.parent), logged_to(place.staging / "log.jsonl"):
            _watched(orchestrator, until)
    except DiskError:
        raise
    except BaseException as error:  # Ctrl-C too: what it got to is published
        return error
    return None


def steps_until(last: str) -> tuple[str, ...]:
    """Name the steps up to one of them; raises `ConfigError` if there is no such step."""
    if last not in STEPS:
        expected = f"expected one of {', '.join(STEPS)}"
        raise ConfigError([Problem((), f"there is no step {last!r}", expected)])
    return STEPS[: STEPS.index(last) + 1]


def _keep_inputs(orchestrator: Orchestrator, target: Path) -> None:
    """Refuse a run folder that holds what is read: replacing it would lose the input."""
    for path, place in orchestrator.pipeline.iter_locations():
        if place.is_path() and place.path().resolve().is_relative_to(target.resolve()):
            problem = Problem(path, f"{place} lies in the run folder {target}", "choose another -o")
            raise ConfigError([problem])


def _watched(orchestrator: Orchestrator, until: str) -> None:
    watchers = orchestrator.watchers
    watchers.tell("skyred_run_started", run=orchestrator.record)
    state, error = "failed", ""
    try:
        try:
            _look_for_room(orchestrator)
            orchestrator.take(until)
        finally:
            _write(orchestrator.result(), orchestrator.record.folder)
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


def _write(result: Result, folder: Path | None) -> None:
    if folder is not None:
        with disk_errors(folder.parent, needed=size_of(result.datasets or ())):
            result.write(folder)


def _look_for_room(orchestrator: Orchestrator) -> None:
    folder = orchestrator.record.folder
    if folder is not None:
        needed = needed_for(orchestrator.select(), orchestrator.pipeline.data)
        refuse_without_room(folder.parent, needed)
