"""Watchers that misbehave, and runs of a toy pipeline with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from skyred import Orchestrator, Result, hookimpl
from skyred.io.checksums import SUMS
from toys import ToyEstimator, ToyFitter, toy_pipeline, toy_plugins


@attrs.define
class Observer:
    """A watcher that calls a function in one of its hooks, with the run and its report."""

    function: Callable[[Any, Any], Any]
    hook: str = "skyred_run_finished"

    def _call(self, hook: str, run: Any, report: Any = None) -> None:
        if hook == self.hook:
            self.function(run, report)

    @hookimpl
    def skyred_run_started(self, run: Any) -> None:
        self._call("skyred_run_started", run)

    @hookimpl
    def skyred_observation_reduced(self, run: Any, outcome: Any) -> None:
        self._call("skyred_observation_reduced", run)

    @hookimpl
    def skyred_run_finished(self, run: Any, report: Any) -> None:
        self._call("skyred_run_finished", run, report)


@attrs.define
class LastObserver:
    """A watcher that is called after the report has been written."""

    function: Callable[[Any, Any], Any]

    @hookimpl(trylast=True)
    def skyred_run_finished(self, run: Any, report: Any) -> None:
        self.function(run, report)


def run_with(folder: Path | None, *watchers: tuple[str, Any], **options: Any) -> Result:
    pipeline = toy_pipeline(fit=ToyFitter(), estimate=[ToyEstimator()])
    return Orchestrator(pipeline, plugins=toy_plugins(*watchers)).run(folder, **options)


def read_report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text())


def read_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("log.jsonl", "report.html", "report.json", SUMS)
    }


@attrs.define
class Undamaged:
    """A watcher that is called first, and records the files of the run."""

    files: dict[str, bytes] = attrs.field(factory=dict)

    @hookimpl(tryfirst=True)
    def skyred_run_finished(self, run: Any) -> None:
        self.files = read_files(run.folder)
