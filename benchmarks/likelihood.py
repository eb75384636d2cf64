"""Compare the CPU time and the results of fits and flux points with plain gammapy's.

Both start each time with new copies of the same datasets and models. They alternate in one process,
so that other load on the machine affects both equally::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/likelihood.py --pairs 5 --json out.json

gammapy's results are those of ``Fit().run(datasets)``, which does not call HESSE, and of
``FluxPointsEstimator`` with all optional columns. skyred's times include HESSE and the compilation.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import logging
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import Models
    from likelihood_cases import Case

ROOT = Path(__file__).resolve().parents[1]
QUICK = ("crab", "onoff")
Work = Callable[["Datasets"], Any]


def plain_fit(datasets: Datasets) -> object:
    from gammapy.modeling import Fit

    return Fit().run(datasets)


def skyred_fit(datasets: Datasets) -> object:
    import skyred

    result = skyred.fit(datasets)
    if not result.success:
        raise SystemExit(f"skyred's fit did not converge: {result.message}")
    return result


def plain_points(datasets: Datasets, case: Case) -> FluxPoints:
    from gammapy.estimators import FluxPointsEstimator

    estimator = FluxPointsEstimator(
        energy_edges=case.energy_edges, source=case.source, selection_optional="all"
    )
    return estimator.run(datasets)


def skyred_points(datasets: Datasets, case: Case) -> FluxPoints:
    import skyred

    return skyred.flux_points(datasets, case.source, case.energy_edges, selection_optional="all")


def cpu_seconds(work: Work, datasets: Datasets) -> tuple[float, Any]:
    """Return the CPU time of a function and its result, after a garbage collection."""
    gc.collect()
    started = time.process_time()
    result = work(datasets)
    return time.process_time() - started, result


class AlternatingTimer:
    """Timer of two functions that are called alternately with new datasets."""

    def __init__(self, case: Case, models: Models | None, plain: Work, ours: Work) -> None:
        self.case, self.models = case, models
        self.work = {"plain": plain, "skyred": ours}
        self.seconds: dict[str, list[float]] = {name: [] for name in self.work}
        self.results: dict[str, Any] = {}
        self.datasets: dict[str, Datasets] = {}

    def run(self, pairs: int) -> dict[str, Any]:
        """Time pairs of calls, and return the times and their ratios."""
        for number in range(pairs):
            names = list(self.work)
            for name in names if number % 2 else names[::-1]:
                datasets = self.case.datasets(self.models)
                seconds, result = cpu_seconds(self.work[name], datasets)
                self.seconds[name].append(seconds)
                self.results[name], self.datasets[name] = result, datasets
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """Return median times, and the median, smallest and largest ratio of a pair."""
        plain, ours = (np.array(self.seconds[name]) for name in self.work)
        ratios = plain / ours
        return {
            "plain_ms": round(1e3 * float(np.median(plain)), 2),
            "skyred_ms": round(1e3 * float(np.median(ours)), 2),
            "ratio": round(float(np.median(ratios)), 2),
            "ratio_range": [round(float(ratios.min()), 2), round(float(ratios.max()), 2)],
            "plain_all_ms": [round(1e3 * seconds, 2) for seconds in plain],
            "skyred_all_ms": [round(1e3 * seconds, 2) for seconds in ours],
        }


def measure(case: Case, pairs: int) -> dict[str, Any]:
    """Time a case, and compare the results."""
    from likelihood_accuracy import compare_fits, compare_points, fitted

    pairs = min(pairs, case.pairs)
    fits = AlternatingTimer(case, None, plain_fit, skyred_fit)
    outcome: dict[str, Any] = {"title": case.title, "pairs": pairs}
    outcome["fit"] = fits.run(pairs) | {"target": case.target}
    plain, ours = (fitted(fits.datasets[name]) for name in ("plain", "skyred"))
    result = fits.results["skyred"]
    same = functools.partial(np.allclose, rtol=1e-9, atol=0)
    if not (same(result.values, ours.values) and same(result.errors, ours.errors)):
        raise SystemExit(f"{case.name}: skyred's result differs from the values in the models")
    outcome |= {"free": len(ours.values), "nfev": result.nfev, "edm": result.edm}
    outcome["plain_success"] = bool(fits.results["plain"].success)
    outcome["fit_accuracy"] = compare_fits(case, plain, ours)
    if case.source:
        work = (
            functools.partial(function, case=case) for function in (plain_points, skyred_points)
        )
        points = AlternatingTimer(case, plain.models, *work)  # the same models for both
        outcome["points"] = points.run(pairs) | {"target": case.target_points}
        both = (points.results[name] for name in ("plain", "skyred"))
        outcome["points_accuracy"] = compare_points(*both)
    return outcome


def warm_up() -> None:
    """Run the smallest cases with both, so that imports and first calls are not timed."""
    from likelihood_cases import smallest

    for case in smallest():
        AlternatingTimer(case, None, plain_fit, skyred_fit).run(1)
        work = (
            functools.partial(function, case=case) for function in (plain_points, skyred_points)
        )
        AlternatingTimer(case, None, *work).run(1)


def environment() -> dict[str, Any]:
    names = ("skyred", "gammapy", "astropy", "numpy", "scipy", "iminuit")
    return {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def show_times(cases: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table(title="CPU time, gammapy's over skyred's", title_justify="left")
    for head in ("case", "free", "gammapy [ms]", "skyred [ms]", "ratio", "range", "target"):
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, outcome in cases.items():
        for kind, free in (("fit", str(outcome["free"])), ("points", "")):
            if kind not in outcome:
                continue
            times = outcome[kind]
            low, high = times["ratio_range"]
            table.add_row(
                f"{name}, {'flux points' if kind == 'points' else kind}",
                free,
                f"{times['plain_ms']:.0f}",
                f"{times['skyred_ms']:.0f}",
                f"{times['ratio']:.0f}",
                f"{low:.0f} .. {high:.0f}",
                "" if times["target"] is None else f"{times['target']:.0f}",
            )
    console.print(table)


def show_accuracy(cases: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table(title="largest differences between skyred and gammapy", title_justify="left")
    heads = ("case", "parameters [sigma]", "stat", "errors", "flux points", "sensitivity")
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, outcome in cases.items():
        fit, points = outcome["fit_accuracy"], outcome.get("points_accuracy", {})
        defined = np.array(fit["error_defined"])
        errors = np.abs(fit["skyred_errors"])[defined]
        others = [
            comparison["difference"]
            for column, comparison in points.items()
            if "sensi" not in column
        ]
        table.add_row(
            name,
            f"{np.abs(fit['shifts']).max():.4f}",
            f"{fit['stat_difference']:+.4f}",
            f"{100 * errors.max():.2f} %" if len(errors) else "",
            f"{max(others):.1e}" if others else "",
            f"{points['norm_sensitivity']['difference']:.1e}" if points else "",
        )
        for index in np.flatnonzero(~defined):
            console.print(
                f"{name}: undefined error of {fit['names'][index]}, near a non-differentiable point"
            )
    console.print(table)
    console.print(
        "stat: gammapy's own, skyred's best fit minus gammapy's; errors: against a Hessian"
    )


def report(cases: dict[str, dict[str, Any]], path: Path | None) -> None:
    """Write the results so far to a JSON file."""
    if path is not None:
        content = json.dumps({"environment": environment(), "cases": cases}, indent=1)
        path.write_text(content + "\n", encoding="utf-8")


def prepare() -> None:
    sys.path.insert(
        0, str(ROOT / "tests" / "helpers")
    )  # the plain script is what the tests compare with
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


def main() -> None:
    prepare()
    from likelihood_cases import CASES

    cases_by_name = {make.__name__: make for make in CASES}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="pairs that are timed, at least 3")
    parser.add_argument(
        "--case", action="append", choices=cases_by_name, help="name of a case; may be repeated"
    )
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--quick", action="store_true", help="one pair of the quickest cases")
    arguments = parser.parse_args()
    if arguments.pairs < 3:
        parser.error("at least 3 pairs are needed")
    names = arguments.case or (QUICK if arguments.quick else cases_by_name)
    console, cases = Console(width=100), dict[str, dict[str, Any]]()
    warm_up()
    for name in names:
        cases[name] = measure(cases_by_name[name](), 1 if arguments.quick else arguments.pairs)
        report(cases, arguments.json)
    show_times(cases, console)
    show_accuracy(cases, console)


if __name__ == "__main__":
    main()
