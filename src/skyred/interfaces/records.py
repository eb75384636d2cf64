"""Frozen records of a run, passed to plugins and saved in the run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from skyred.interfaces.fit_result import FitResult
from skyred.interfaces.outcome import STATUSES, Outcome

__all__ = [
    "STATUSES", "STEPS", "FitResult", "Outcome", "Owner", "Report", "Run", "StepRecord",
]  # fmt: skip

STEPS = ("select", "reduce", "model", "fit", "estimate")


@attrs.frozen
class Owner:
    """The distribution, version and plugin that a component comes from.

    Parameters
    ----------
    distribution : str
        The name of the distribution; for a one-file plugin, the name of the file.
    version : str
        The version of the distribution; for a one-file plugin, its checksum.
    plugin : str
        The name of the plugin.
    file : str
        The path of a one-file plugin; "" for installed plugins. Ignored in comparisons.
    source : bytes
        The content of a one-file plugin. Ignored in comparisons.
    """

    distribution: str
    version: str
    plugin: str
    file: str = attrs.field(default="", eq=False)  # it may differ between workers
    source: bytes = attrs.field(default=b"", eq=False, repr=False)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (plugin {self.plugin!r})"


@attrs.frozen
class StepRecord:
    """The record of a finished step of a run.

    Parameters
    ----------
    name : str
        The name of the step, one of `STEPS`.
    seconds : float
        The duration, in seconds.
    summary : str
        A one-line summary of the result.
    inputs : tuple of Path
        The files that were read.
    sums : mapping of Path to str
        The sha256 checksums of input files, for those that were computed.
    notes : tuple of str
        Details, such as sources that were left out of the models, or whose parameters were frozen.
    """

    name: str
    seconds: float
    summary: str = ""
    inputs: tuple[Path, ...] = ()
    sums: Mapping[Path, str] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()


@attrs.frozen
class Run:
    """A description of the run, passed to lifecycle hooks.

    Parameters
    ----------
    config : str or callable
        The complete, normalised configuration as YAML ("" if the pipeline has none), or a function
        that returns it.
    digest : str
        The pipeline's digest ("" if it has none).
    folder : Path or None
        The folder that the run is written to: the staging folder, until the run is published.
    steps : tuple of str
        The steps that will be executed.
    observations : int
        The number of observations to reduce; 0 until they are selected.
    replaced : tuple of str
        Steps with outputs that were replaced from Python, so that later outputs do not depend on
        `config` alone.
    plots : bool
        Whether plots are drawn in the folder.
    report : bool
        Whether the HTML report is written to the folder.
    name : str
        The name of the run folder after it is published; "" for a run without folder.
    """

    _config: str | Callable[[], str] = attrs.field(default="", repr=False, eq=False)
    digest: str = ""
    folder: Path | None = None
    steps: tuple[str, ...] = STEPS
    observations: int = 0
    replaced: tuple[str, ...] = ()
    plots: bool = True
    report: bool = True
    name: str = ""

    @property
    def config(self) -> str:
        """The complete, normalised configuration as YAML ("" if the pipeline has none)."""
        return self._config if isinstance(self._config, str) else self._config()


@attrs.frozen
class Report:
    """The report at the end of a finished, failed or interrupted run.

    Parameters
    ----------
    state : {"finished", "failed", "interrupted"}
        The final state.
    error : str
        The error message; "" if there was no error.
    steps : tuple of StepRecord
        The steps that were executed.
    outcomes : tuple of Outcome
        One for each requested observation.
    watchers : tuple of str
        Messages about lifecycle hooks of plugins that raised errors or damaged the run folder.
    owners : tuple of Owner
        The owners of the components that were used.
    result : object
        The `skyred.Result`, complete up to the last step that was executed.
    engine : mapping of str to object
        The kind and options of the engine.
    watcher_seconds : mapping of str to float
        The time that the lifecycle hooks of each plugin took; no step includes it.
    """

    state: str
    error: str
    steps: tuple[StepRecord, ...]
    outcomes: tuple[Outcome, ...]
    watchers: tuple[str, ...]
    owners: tuple[Owner, ...]
    result: Any
    engine: Mapping[str, Any] = attrs.field(factory=dict)
    watcher_seconds: Mapping[str, float] = attrs.field(factory=dict)
