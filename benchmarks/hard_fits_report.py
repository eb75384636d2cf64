"""Tables of the benchmark of hard fits."""

from __future__ import annotations

from collections import Counter

import attrs
import numpy as np
from hard_fits_errors import ErrorRecord
from hard_fits_problem import Problem
from hard_fits_run import Record
from rich.console import Console
from rich.table import Table

TOLERANCE = 0.01  # above the lowest known statistic; with more, a fit ended at a local minimum
HEADS = (
    "problem",
    "data and model",
    "fits",
    "success",
    "local minima",
    "largest Δstat",
    "failures",
    "reported stat",
    "median CPU [s]",
)
ERROR_HEADS = (
    "problem",
    "data and model",
    "parameters",
    "no success",
    "near a pixel centre",
    "not parabolic",
    "compared",
    "off by over 2 %",
    "largest difference",
)
TEXT_COLUMNS = 2
MAX_LENGTH = 90  # characters of a message in the list of failures


@attrs.frozen
class Summary:
    """A summary of the fits of one or more problems with one fitter.

    Parameters
    ----------
    fits, successes : int
        Number of fits, and of successful fits.
    local_minima : int
        Number of successful fits with a statistic above the lowest by more than the tolerance.
    largest_delta_stat : float
        Largest difference of the statistic of successful fits from the lowest; 0 if there are none.
    largest_difference : float
        Largest difference of the reported statistic of successful fits from that of gammapy.
    failed_off_minimum : int
        Number of failed fits with a statistic above the lowest by more than the tolerance.
    cpu : float
        Median CPU time in seconds.
    """

    fits: int
    successes: int
    local_minima: int
    largest_delta_stat: float
    largest_difference: float
    failed_off_minimum: int
    cpu: float

    def cells(self) -> list[str]:
        failures = self.fits - self.successes
        return [
            str(self.fits),
            f"{100 * self.successes / max(self.fits, 1):.0f} %",
            str(self.local_minima),
            f"{self.largest_delta_stat:.3g}",
            f"{failures} ({self.failed_off_minimum} not at the minimum)" if failures else "0",
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
        Summary of the fits.
    """
    delta_stats = np.array([record.fresh_stat - lowest[record.job.problem] for record in records])
    differences = np.array([record.stat - record.fresh_stat for record in records])
    success = np.array([record.success for record in records], dtype=bool)
    is_high = ~(delta_stats <= TOLERANCE)  # true for NaN
    return Summary(
        fits=len(records),
        successes=int(success.sum()),
        local_minima=int((success & is_high).sum()),
        largest_delta_stat=max([0.0, *delta_stats[success]]),
        largest_difference=max([0.0, *np.abs(differences[success])]),
        failed_off_minimum=int((~success & is_high).sum()),
        cpu=float(np.median([record.cpu for record in records])) if records else np.nan,
    )


def rows(
    problems: dict[str, Problem], records: list[Record], lowest: dict[str, float], fitter: str
) -> list[list[str]]:
    """Return the rows of the table of a fitter, followed by the totals."""
    selected = [
        record for record in records if record.job.fitter == fitter and record.job.number >= 0
    ]
    table = []
    for name, problem in problems.items():
        fits = [record for record in selected if record.job.problem == name]
        if fits:
            table.append([name, problem.title + flag(problem), *summarize(fits, lowest).cells()])
    constrained = [record for record in selected if problems[record.job.problem].constrained]
    smooth = [record for record in constrained if not problems[record.job.problem].sharp_edged]
    totals = {"all": selected, "constrained": constrained, "constrained, no sharp edges": smooth}
    for title, total in totals.items():
        if total:
            table.append(["total", title, *summarize(total, lowest).cells()])
    return table


def flag(problem: Problem) -> str:
    flags = ["not constrained"] * (not problem.constrained) + ["sharp edge"] * problem.sharp_edged
    return f" ({', '.join(flags)})" if flags else ""


def failures(records: list[Record], lowest: dict[str, float]) -> list[str]:
    """Return a line for each fit that failed, or ended at a local minimum."""
    lines = []
    for record in records:
        delta_stat = record.fresh_stat - lowest[record.job.problem]
        if record.success and delta_stat <= TOLERANCE:
            continue
        kind = "local minimum" if record.success else "no success"
        job = record.job
        message = record.message.replace("\n", " ")[:MAX_LENGTH]
        lines.append(
            f"{job.problem} {job.fitter} start {job.number}: {kind}, Δstat {delta_stat:.4g}, "
            f"reported {record.stat - record.fresh_stat:+.2g}, CPU {record.cpu:.1f} s: {message}"
        )
    return lines


def message_counts(records: list[Record]) -> list[str]:
    """Return the messages of failed fits, the most frequent first."""
    messages = Counter(record.message[:MAX_LENGTH] for record in records if not record.success)
    return [f"{count} x {message}" for message, count in messages.most_common()]


def error_rows(problems: dict[str, Problem], records: list[ErrorRecord]) -> list[list[str]]:
    """Return the rows of the table of errors, followed by the total."""
    table = []
    for name, problem in problems.items():
        selected = [record for record in records if record.job.problem == name]
        if selected:
            table.append([name, problem.title, *error_cells(selected)])
    return [*table, ["total", "", *error_cells(records)]]


def error_cells(records: list[ErrorRecord]) -> list[str]:
    compared = [record for record in records if record.is_compared]
    largest = max((abs(record.difference) for record in compared), default=0.0)
    counts = (
        len(records),
        sum(not record.success for record in records),
        sum(record.success and record.near_centre for record in records),
        sum(record.success and not record.is_parabolic for record in records),
        len(compared),
        sum(record.is_wrong for record in compared),
    )
    return [*map(str, counts), f"{100 * largest:.2g} %"]


def error_lines(records: list[ErrorRecord]) -> list[str]:
    """Return a line for each wrong error, each failed fit and each failed profile."""
    return [
        f"{record.job.problem} {record.name}: error {record.error:.4g}, profile "
        f"+{record.errp:.4g} -{record.errn:.4g} ({100 * record.difference:+.1f} %): "
        f"{record.message[:MAX_LENGTH]}"
        for record in records
        if record.is_wrong or not record.success or not np.isfinite(record.mean)
    ]


@attrs.frozen
class Report:
    """The tables of a run.

    Parameters
    ----------
    problems : dict
        Problems by name.
    fits : list of Record
        Outcomes of the fits.
    lowest : dict
        Lowest known statistic of each problem.
    errors : list of ErrorRecord
        Comparisons of errors.
    """

    problems: dict[str, Problem]
    fits: list[Record]
    lowest: dict[str, float]
    errors: list[ErrorRecord]

    def tables(self) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
        """Return titles, heads and rows of the tables that are not empty."""
        tables = [
            (f"Fits with {fitter}", HEADS, rows(self.problems, self.fits, self.lowest, fitter))
            for fitter in ("skyred", "gammapy")
        ]
        if self.errors:
            tables.append(
                ("Errors and profiles", ERROR_HEADS, error_rows(self.problems, self.errors))
            )
        return [table for table in tables if table[2]]

    def show(self) -> None:
        """Print the tables, and a line for each failure."""
        console = Console(width=160)
        for line in (*failures(self.fits, self.lowest), *error_lines(self.errors)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        for title, heads, body in self.tables():
            table = Table(title=title, title_justify="left")
            for number, head in enumerate(heads):
                table.add_column(head, justify="left" if number < TEXT_COLUMNS else "right")
            for row in body:
                table.add_row(*row)
            console.print(table)
        for line in message_counts(self.fits):
            console.print(line, markup=False, highlight=False)

    def markdown(self) -> str:
        """Return the tables as Markdown."""
        sections = []
        for title, heads, body in self.tables():
            n_numeric = len(heads) - TEXT_COLUMNS
            alignment = ["---"] * TEXT_COLUMNS + ["---:"] * n_numeric
            lines = ["| " + " | ".join(line) + " |" for line in (heads, alignment, *body)]
            sections.append(f"### {title}\n\n" + "\n".join(lines) + "\n")
        return "\n".join(sections)
