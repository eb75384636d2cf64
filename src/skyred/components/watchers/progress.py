"""Progress of a run on standard error: bars on a terminal, plain lines elsewhere.

rich is imported when a run starts: `skyred plugins` and `skyred check` also load this module.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

import attrs

from skyred.hookspecs import hookimpl

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from skyred.interfaces.records import Outcome, Report, Run, StepRecord


@attrs.define
class ProgressWatcher:
    """Watcher that shows the steps of a run, and a progress bar of its observations."""

    bars: Progress | None = None
    task: TaskID | None = None
    observation_count: int = 0
    start_time: float = 0.0

    @hookimpl
    def skyred_run_started(self, run: Run) -> None:
        """Start the timer, and the progress bars on a terminal.

        Parameters
        ----------
        run : Run
            The run.
        """
        self.start_time = time.perf_counter()
        if _console().is_terminal:
            self.bars = _create_bars()
            self.bars.start()

    @hookimpl
    def skyred_step_started(self, run: Run, step: str) -> None:
        """Add a progress bar for the step, on a terminal.

        Parameters
        ----------
        run : Run
            The run.
        step : str
            The name of the step.
        """
        self.observation_count = 0
        if self.bars is not None:
            self.task = self.bars.add_task(step, total=_task_total(run, step))

    @hookimpl
    def skyred_observation_reduced(self, run: Run, outcome: Outcome) -> None:
        """Count an observation, and print the reason if it was skipped or failed.

        Parameters
        ----------
        run : Run
            The run.
        outcome : Outcome
            The outcome of the observation.
        """
        self.observation_count += 1
        if outcome.status in ("skipped", "failed"):
            _console().print(
                f"  {outcome.entry} {outcome.obs_id} {outcome.status}: {outcome.reason}",
                markup=False,
                soft_wrap=True,
            )
        if self.bars is not None and self.task is not None:
            self.bars.advance(self.task)
        elif run.observations >= 20 and self.observation_count % (run.observations // 10) == 0:
            _console().print(f"  {self.observation_count} of {run.observations} observations")

    @hookimpl
    def skyred_task_finished(self, run: Run, estimate: str, finished: int, total: int) -> None:
        """Show the finished tasks of an estimator, on a terminal.

        Parameters
        ----------
        run : Run
            The run.
        estimate : str
            The name of the estimate.
        finished : int
            The number of finished tasks.
        total : int
            The number of all tasks.
        """
        if self.bars is not None and self.task is not None:
            description = f"estimate {estimate}"
            self.bars.update(self.task, description=description, completed=finished, total=total)

    @hookimpl
    def skyred_step_finished(self, run: Run, step: str, record: StepRecord) -> None:
        """Print the summary and the duration of a step.

        Parameters
        ----------
        run : Run
            The run.
        step : str
            The name of the step.
        record : StepRecord
            The duration and the summary of the step.
        """
        if self.bars is not None and self.task is not None:
            self.bars.remove_task(self.task)
        line = f"{step:<9} {record.seconds:7.1f} s  {record.summary}"
        _console().print(line, markup=False, soft_wrap=True)

    @hookimpl(trylast=True)  # after the watchers that write plots and reports
    def skyred_run_finished(self, run: Run, report: Report) -> None:
        """Stop the display, and print the state and the duration of the run.

        Parameters
        ----------
        run : Run
            The run.
        report : Report
            The report of the run.
        """
        if self.bars is not None:
            self.bars.stop()
            self.bars = None
        seconds = time.perf_counter() - self.start_time
        _console().print(f"{report.state} after {seconds:.1f} s", markup=False)


@cache
def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def _create_bars() -> Progress:
    from rich import progress

    return progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        console=_console(),
        transient=True,
    )


def _task_total(run: Run, step: str) -> int | None:
    """Return the number of observations for the step that reduces them, None for other steps."""
    return run.observations if step == "reduce" else None
