"""What light curves and flux profiles cost: skyred's beside gammapy's, and how they differ.

Both begin each time with new copies of the same datasets and models, in one process and in turns,
as in `likelihood.py`. CPU time is compared::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/estimators.py --pairs 5 --json out.json

gammapy's side is what its users write: ``LightCurveEstimator`` and ``FluxProfileEstimator``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from likelihood import Turns, prepare, surroundings
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from estimator_cases import Job
    from gammapy.estimators import FluxPoints

QUICK = ("flare", "line")


def differences(ours: FluxPoints, theirs: FluxPoints) -> dict[str, float]:
    """Give how far norms are apart, in errors, and how far errors are: the largest of both.

    Where there are hardly any counts, gammapy's error is now and then what MIGRAD gave up with, so
    the median is given too, and how far skyred's statistic is above gammapy's.
    """
    found, expected = ours.norm.data, theirs.norm.data
    error, other = ours.norm_err.data, theirs.norm_err.data
    with np.errstate(all="ignore"):
        shift = np.abs(found - expected) / error
        relative = np.abs(other / error - 1)
    lower = np.nanmax(ours.stat.data - theirs.stat.data)
    return {
        "norm": float(np.nanmax(shift)),
        "norm_err_median": float(np.nanmedian(relative)),
        "norm_err": float(np.nanmax(relative)),
        "stat": float(lower),
    }


def measure(job: Job, pairs: int) -> dict[str, Any]:
    turns = Turns(job.case, None, job.plain, job.ours)
    found = {"title": job.case.title, "target": job.case.target, "pairs": pairs}
    found |= turns.take(pairs)
    found["difference"] = differences(turns.given["skyred"], turns.given["plain"])
    return found


def warm_up() -> None:
    """Let both do a little of each, so that imports and first calls are not counted."""
    from estimator_cases import smallest

    for job in smallest():
        Turns(job.case, None, job.plain, job.ours).take(1)


def show(results: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table(title="CPU time, gammapy's over skyred's", title_justify="left")
    heads = ("case", "gammapy [ms]", "skyred [ms]", "ratio", "range", "target",
             "norm [sigma]", "error", "stat")  # fmt: skip
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, found in results.items():
        low, high = found["ratio_range"]
        table.add_row(
            f"{name}: {found['title']}",
            f"{found['plain_ms']:.0f}",
            f"{found['skyred_ms']:.0f}",
            f"{found['ratio']:.0f}",
            f"{low:.0f} .. {high:.0f}",
            f"{found['target']:.0f}",
            f"{found['difference']['norm']:.4f}",
            f"{100 * found['difference']['norm_err_median']:.2f} %",
            f"{found['difference']['stat']:+.4f}",
        )
    console.print(table)
    console.print(
        "norm: the largest difference from gammapy's, whose MIGRAD stops up to 0.05 sigma off; "
        "error: the median one; stat: how far skyred's is above gammapy's at most"
    )


def main() -> None:
    prepare()
    from estimator_cases import JOBS

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="pairs that are timed, at least 3")
    parser.add_argument("--case", action="append", choices=JOBS, help="only this; may be repeated")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--quick", action="store_true", help="one pair of the quickest cases")
    arguments = parser.parse_args()
    if arguments.pairs < 3:
        parser.error("fewer than 3 pairs tell nothing")
    console, results = Console(width=130), dict[str, dict[str, Any]]()
    warm_up()
    for name in arguments.case or (QUICK if arguments.quick else JOBS):
        results[name] = measure(JOBS[name](), 1 if arguments.quick else arguments.pairs)
        if arguments.json is not None:
            text = json.dumps({"surroundings": surroundings(), "cases": results}, indent=1)
            arguments.json.write_text(text + "\n", encoding="utf-8")
    show(results, console)


if __name__ == "__main__":
    main()
