"""Progress: bars on a terminal, plain lines elsewhere; on standard error, products go elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import attrs
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from skyred.interfaces.records import Outcome, Report, Run, StepRecord


@attrs.define
class ProgressWatcher:
    """Shows the steps of a run, and a bar over its observations."""

    console: Console = attrs.field(factory=lambda: Console(file=sys.stderr, highlight=False))
    bars: Progress | None = None
    task: TaskID | None = None
    reduced: int = 0
    started: float = 0.0

    @hookimpl
    def skyred_run_started(self, run: Run) -> None:
        """Start the clock, and the display where there is a terminal."""
        self.started = time.perf_counter()
        if self.console.is_terminal:
            self.bars = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self.console,
                transient=True,
            )
            self.bars.start()

    @hookimpl
    def skyred_step_started(self, run: Run, step: str) -> None:
        """Show what is being done."""
        self.reduced = 0
        if self.bars is not None:
            self.task = self.bars.add_task(step, total=_total(run, step))

    @hookimpl
    def skyred_observation_reduced(self, run: Run, outcome: Outcome) -> None:
        """Count an observation, and say so if it is not in the result."""
        self.reduced += 1
        if outcome.status in ("skipped", "failed"):
            self.console.print(
                f"  {outcome.entry} {outcome.obs_id} {outcome.status}: {outcome.reason}",
                markup=False,
                soft_wrap=True,
            )
        if self.bars is not None and self.task is not None:
            self.bars.advance(self.task)
        elif run.observations >= 20 and self.reduced % max(run.observations // 10, 1) == 0:
            self.console.print(f"  {self.reduced} of {run.observations} observations")

    @hookimpl
    def skyred_step_finished(self, run: Run, step: str, record: StepRecord) -> None:
        """Say what a step gave, and how long it took."""
        if self.bars is not None and self.task is not None:
            self.bars.remove_task(self.task)
        line = f"{step:<9} {record.seconds:7.1f} s  {record.summary}"
        self.console.print(line, markup=False, soft_wrap=True)

    @hookimpl(trylast=True)  # the others have pictures and reports to write first
    def skyred_run_finished(self, run: Run, report: Report) -> None:
        """End the display."""
        if self.bars is not None:
            self.bars.stop()
            self.bars = None
        seconds = time.perf_counter() - self.started
        self.console.print(f"{report.state} after {seconds:.1f} s", markup=False)


def _total(run: Run, step: str) -> int | None:
    return run.observations if step == "reduce" else None
