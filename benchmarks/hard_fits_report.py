"""Tables of the benchmark of hard fits."""

from __future__ import annotations

from collections import Counter

import attrs
import numpy as np
from hard_fits_problem import Problem
from hard_fits_run import Record
from rich.console import Console
from rich.table import Table

TOLERANCE = 0.01  # a statistic that is higher than the lowest one by more is a false minimum
HEADS = (
    "fits",
    "success",
    "false minima",
    "largest excess",
    "failures",
    "reported stat",
    "median CPU [s]",
)
SHORT = 90  # characters of a message in the list of failures


@attrs.frozen
class Summary:
    """The outcomes of one fitter on one problem, or on several.

    Parameters
    ----------
    fits, successes : int
        Number of fits, and of those with success.
    false_minima : int
        Number of fits with success above the lowest statistic by more than the tolerance.
    largest_excess : float
        Of the fits with success; 0 if there is none.
    largest_difference : float
        Between the reported statistic and gammapy's, of the fits with success.
    lost : int
        Number of fits without success above the lowest statistic by more than the tolerance.
    cpu : float
        Median CPU time in seconds.
    """

    fits: int
    successes: int
    false_minima: int
    largest_excess: float
    largest_difference: float
    lost: int
    cpu: float

    def cells(self) -> list[str]:
        failures = self.fits - self.successes
        return [
            str(self.fits),
            f"{100 * self.successes / max(self.fits, 1):.0f} %",
            str(self.false_minima),
            f"{self.largest_excess:.3g}",
            f"{failures} ({self.lost} not at the minimum)" if failures else "0",
            f"{self.largest_difference:.1g}",
            f"{self.cpu:.2f}",
        ]


def summarize(records: list[Record], lowest: dict[str, float]) -> Summary:
    """Summarize the fits of one fitter.

    Parameters
    ----------
    records : list of Record
        Outcomes.
    lowest : dict
        Lowest known statistic of each problem.

    Returns
    -------
    Summary
        Their numbers.
    """
    excesses = np.array([record.fresh_stat - lowest[record.job.problem] for record in records])
    differences = np.array([record.stat - record.fresh_stat for record in records])
    success = np.array([record.success for record in records], dtype=bool)
    wrong = ~(excesses <= TOLERANCE)  # a statistic that is not a number is wrong
    return Summary(
        fits=len(records),
        successes=int(success.sum()),
        false_minima=int((success & wrong).sum()),
        largest_excess=max([0.0, *excesses[success]]),
        largest_difference=max([0.0, *np.abs(differences[success])]),
        lost=int((~success & wrong).sum()),
        cpu=float(np.median([record.cpu for record in records])) if records else np.nan,
    )


def rows(
    problems: dict[str, Problem], records: list[Record], lowest: dict[str, float], fitter: str
) -> list[list[str]]:
    """Return the rows of the table of a fitter, the total last."""
    chosen = [r for r in records if r.job.fitter == fitter and r.job.number >= 0]
    table = []
    for name, problem in problems.items():
        own = [record for record in chosen if record.job.problem == name]
        if own:
            flag = "" if problem.constrained else " (not constrained)"
            cells = summarize(own, lowest).cells()
            table.append([name, problem.title + flag, *cells])
    constrained = [r for r in chosen if problems[r.job.problem].constrained]
    if constrained:
        table.append(["total", "constrained", *summarize(constrained, lowest).cells()])
    return table


def show_table(title: str, heads: tuple[str, ...], body: list[list[str]], console: Console) -> None:
    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head, justify="right" if head in HEADS else "left")
    for row in body:
        table.add_row(*row)
    console.print(table)


def markdown_table(heads: tuple[str, ...], body: list[list[str]]) -> str:
    marks = ["---:" if head in HEADS else "---" for head in heads]
    lines = [heads, marks, *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def failures(records: list[Record], lowest: dict[str, float]) -> list[str]:
    """Return a line for each fit that is a false minimum or has no success."""
    lines = []
    for record in records:
        excess = record.fresh_stat - lowest[record.job.problem]
        if record.success and excess <= TOLERANCE:
            continue
        what = "false minimum" if record.success else "no success"
        job = record.job
        message = record.message.replace("\n", " ")[:SHORT]
        lines.append(
            f"{job.problem} {job.fitter} start {job.number}: {what}, excess {excess:.4g}, "
            f"reported {record.stat - record.fresh_stat:+.2g}, CPU {record.cpu:.1f} s: {message}"
        )
    return lines


def message_counts(records: list[Record]) -> list[str]:
    """Return the messages of fits without success, the most frequent first."""
    messages = Counter(record.message[:SHORT] for record in records if not record.success)
    return [f"{count} x {message}" for message, count in messages.most_common()]
