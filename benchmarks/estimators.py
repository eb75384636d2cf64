"""Compare light curves and flux profiles of skyred and gammapy: CPU time and results.

Each measurement starts with new copies of the same datasets and models. gammapy and skyred
alternate in one process, as in `likelihood.py`::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/estimators.py --pairs 5 --json out.json

gammapy's results are those of ``LightCurveEstimator`` and ``FluxProfileEstimator``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from likelihood import AlternatingTimer, environment, prepare
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from estimator_cases import Job
    from gammapy.estimators import FluxPoints

QUICK = ("flare", "line")


def differences(skyred_points: FluxPoints, gammapy_points: FluxPoints) -> dict[str, float]:
    """Return the largest differences of norms (in sigma), of their errors and of the statistic.

    With few counts, the error from gammapy is sometimes that of a MIGRAD fit that did not converge,
    so the median difference of the errors is included too.
    """
    error, gammapy_error = skyred_points.norm_err.data, gammapy_points.norm_err.data
    with np.errstate(all="ignore"):
        shift = np.abs(skyred_points.norm.data - gammapy_points.norm.data) / error
        relative_difference = np.abs(gammapy_error / error - 1)
    stat_excess = np.nanmax(skyred_points.stat.data - gammapy_points.stat.data)
    return {
        "norm": float(np.nanmax(shift)),
        "norm_err_median": float(np.nanmedian(relative_difference)),
        "norm_err": float(np.nanmax(relative_difference)),
        "stat": float(stat_excess),
    }


def create_timer(job: Job) -> AlternatingTimer:
    return AlternatingTimer(job.case, None, job.estimate_with_gammapy, job.estimate_with_skyred)


def measure(job: Job, pairs: int) -> dict[str, Any]:
    timer = create_timer(job)
    outcome = {"title": job.case.title, "target": job.case.target, "pairs": pairs}
    outcome |= timer.run(pairs)
    outcome["difference"] = differences(timer.results["skyred"], timer.results["plain"])
    return outcome


def warm_up() -> None:
    """Run small jobs, so that imports and first calls are not timed."""
    from estimator_cases import warm_up_jobs

    for job in warm_up_jobs():
        create_timer(job).run(1)


def show(results: dict[str, dict[str, Any]], console: Console) -> None:
    """Print the times of the estimators, their ratios, and the differences of results."""
    table = Table(title="CPU time, and ratio of gammapy to skyred", title_justify="left")
    heads = ("case", "gammapy [ms]", "skyred [ms]", "ratio", "range", "target",
             "norm [sigma]", "error", "stat")  # fmt: skip
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, outcome in results.items():
        low, high = outcome["ratio_range"]
        table.add_row(
            f"{name}: {outcome['title']}",
            f"{outcome['plain_ms']:.0f}",
            f"{outcome['skyred_ms']:.0f}",
            f"{outcome['ratio']:.0f}",
            f"{low:.0f} .. {high:.0f}",
            f"{outcome['target']:.0f}",
            f"{outcome['difference']['norm']:.4f}",
            f"{100 * outcome['difference']['norm_err_median']:.2f} %",
            f"{outcome['difference']['stat']:+.4f}",
        )
    console.print(table)
    console.print(
        "norm: largest difference (MIGRAD stops up to 0.05 sigma from the minimum); "
        "error: median difference; stat: largest excess of skyred over gammapy"
    )


def main() -> None:
    """Time estimators with skyred and with gammapy, in pairs, and print the results."""
    prepare()
    from estimator_cases import JOBS

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="pairs that are timed, at least 3")
    parser.add_argument(
        "--case", action="append", choices=JOBS, help="name of a case; may be repeated"
    )
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--quick", action="store_true", help="one pair of the quickest cases")
    arguments = parser.parse_args()
    if arguments.pairs < 3:
        parser.error("at least 3 pairs are needed")
    console, results = Console(width=130), dict[str, dict[str, Any]]()
    warm_up()
    for name in arguments.case or (QUICK if arguments.quick else JOBS):
        results[name] = measure(JOBS[name](), 1 if arguments.quick else arguments.pairs)
        if arguments.json is not None:
            content = json.dumps({"environment": environment(), "cases": results}, indent=1)
            arguments.json.write_text(content + "\n", encoding="utf-8")
    show(results, console)


if __name__ == "__main__":
    main()
