"""The hooks: what a plugin can offer (components, archives) and watch (the life of a run).

Only components change data; the lifecycle hooks watch. They are called in the parent process, with
frozen records; an exception in one is logged, named and recorded, and does not stop the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from gammapy.data import DataStore

    from skyred.interfaces import Component
    from skyred.interfaces.records import Outcome, Report, Run, StepRecord

PROJECT = "skyred"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def skyred_components() -> Iterable[type[Component]]:  # type: ignore[empty-body]
    """Give the classes of components, of any role, that this plugin adds."""


@hookspec
def skyred_archive(location: str | tuple[str, ...]) -> DataStore | None:
    """Open this kind of archive; None if the location is none of this plugin's.

    `location` is one text (a folder, an index file, ``sim:crab``) or several (DL3 files), with
    environment variables filled in. Two plugins that claim one location are an error.
    """


@hookspec
def skyred_run_started(run: Run) -> None:
    """Watch a run start."""


@hookspec
def skyred_step_started(run: Run, step: str) -> None:
    """Watch a step start: select, reduce, model, fit or estimate."""


@hookspec
def skyred_observation_reduced(run: Run, outcome: Outcome) -> None:
    """Watch an observation end: made, cached, skipped or failed."""


@hookspec
def skyred_step_finished(run: Run, step: str, record: StepRecord) -> None:
    """Watch a step end."""


@hookspec
def skyred_run_finished(run: Run, report: Report) -> None:
    """Watch a run end, before publication: what is put into `run.folder` is published with it."""
