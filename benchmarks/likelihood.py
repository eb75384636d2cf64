"""What fits and flux points cost: skyred's likelihood beside plain gammapy, and how they differ.

Both begin each time with new copies of the same datasets and models, in one process and in turns,
so that what else the machine does falls on both alike. CPU time is compared::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/likelihood.py --pairs 5 --json out.json

gammapy's side is what its users write: ``Fit().run(datasets)``, and ``FluxPointsEstimator`` with
all optional columns. It calls no HESSE; skyred's side does, and compiles anew each time.
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
    """Give the CPU time of a piece of work, and what it gave; earlier garbage is not its own."""
    gc.collect()
    started = time.process_time()
    given = work(datasets)
    return time.process_time() - started, given


class Turns:
    """Times two pieces of work in turns, each time on new datasets, and keeps what came last."""

    def __init__(self, case: Case, models: Models | None, plain: Work, ours: Work) -> None:
        self.case, self.models = case, models
        self.work = {"plain": plain, "skyred": ours}
        self.seconds: dict[str, list[float]] = {name: [] for name in self.work}
        self.given: dict[str, Any] = {}
        self.datasets: dict[str, Datasets] = {}

    def take(self, pairs: int) -> dict[str, Any]:
        """Time pairs; gives the times and their ratios."""
        for number in range(pairs):
            names = list(self.work)
            for name in names if number % 2 else names[::-1]:
                datasets = self.case.datasets(self.models)
                seconds, given = cpu_seconds(self.work[name], datasets)
                self.seconds[name].append(seconds)
                self.given[name], self.datasets[name] = given, datasets
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """Give medians, and the ratio of a pair: median, smallest and largest."""
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
    """Time a case, and compare what the two found."""
    from likelihood_accuracy import compare_fits, compare_points, fitted

    pairs = min(pairs, case.pairs)
    fits = Turns(case, None, plain_fit, skyred_fit)
    found: dict[str, Any] = {"title": case.title, "pairs": pairs}
    found["fit"] = fits.take(pairs) | {"target": case.target}
    plain, ours = (fitted(fits.datasets[name]) for name in ("plain", "skyred"))
    given = fits.given["skyred"]
    same = functools.partial(np.allclose, rtol=1e-9, atol=0)
    if not (same(given.values, ours.values) and same(given.errors, ours.errors)):
        raise SystemExit(f"{case.name}: skyred's result is not what it left in the models")
    found |= {"free": len(ours.values), "nfev": given.nfev, "edm": given.edm}
    found["plain_success"] = bool(fits.given["plain"].success)
    found["fit_accuracy"] = compare_fits(case, plain, ours)
    if case.source:
        work = (functools.partial(each, case=case) for each in (plain_points, skyred_points))
        points = Turns(case, plain.models, *work)  # the same models for both
        found["points"] = points.take(pairs) | {"target": case.target_points}
        found["points_accuracy"] = compare_points(*(points.given[n] for n in ("plain", "skyred")))
    return found


def warm_up() -> None:
    """Let both do the smallest work, so that imports and first calls are not counted."""
    from likelihood_cases import smallest

    for case in smallest():
        Turns(case, None, plain_fit, skyred_fit).take(1)
        work = (functools.partial(each, case=case) for each in (plain_points, skyred_points))
        Turns(case, None, *work).take(1)


def surroundings() -> dict[str, Any]:
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
    for name, found in cases.items():
        for what, free in (("fit", str(found["free"])), ("points", "")):
            if what not in found:
                continue
            times = found[what]
            low, high = times["ratio_range"]
            table.add_row(
                f"{name}, {'flux points' if what == 'points' else what}",
                free,
                f"{times['plain_ms']:.0f}",
                f"{times['skyred_ms']:.0f}",
                f"{times['ratio']:.0f}",
                f"{low:.0f} .. {high:.0f}",
                "" if times["target"] is None else f"{times['target']:.0f}",
            )
    console.print(table)


def show_accuracy(cases: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table(title="the largest differences, skyred's from gammapy's", title_justify="left")
    heads = ("case", "parameters [sigma]", "stat", "errors", "flux points", "sensitivity")
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, found in cases.items():
        fit, points = found["fit_accuracy"], found.get("points_accuracy", {})
        defined = np.array(fit["error_defined"])
        errors = np.abs(fit["skyred_errors"])[defined]
        others = [each["difference"] for column, each in points.items() if "sensi" not in column]
        table.add_row(
            name,
            f"{np.abs(fit['shifts']).max():.4f}",
            f"{fit['stat_difference']:+.4f}",
            f"{100 * errors.max():.2f} %" if len(errors) else "",
            f"{max(others):.1e}" if others else "",
            f"{points['norm_sensitivity']['difference']:.1e}" if points else "",
        )
        for place in np.flatnonzero(~defined):
            console.print(f"{name}: no one error for {fit['names'][place]}, a kink is near")
    console.print(table)
    console.print(
        "stat: gammapy's own, skyred's best fit minus gammapy's; errors: against a Hessian"
    )


def report(cases: dict[str, dict[str, Any]], path: Path | None) -> None:
    """Write the numbers, after each case: the last ones take long."""
    if path is not None:
        text = json.dumps({"surroundings": surroundings(), "cases": cases}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")


def prepare() -> None:
    sys.path.insert(
        0, str(ROOT / "tests" / "helpers")
    )  # the plain script is what the tests compare with
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


def main() -> None:
    prepare()
    from likelihood_cases import CASES

    known = {make.__name__: make for make in CASES}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="pairs that are timed, at least 3")
    parser.add_argument("--case", action="append", choices=known, help="only this; may be repeated")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--quick", action="store_true", help="one pair of the quickest cases")
    arguments = parser.parse_args()
    if arguments.pairs < 3:
        parser.error("fewer than 3 pairs tell nothing")
    chosen = arguments.case or (QUICK if arguments.quick else known)
    console, cases = Console(width=100), dict[str, dict[str, Any]]()
    warm_up()
    for name in chosen:
        cases[name] = measure(known[name](), 1 if arguments.quick else arguments.pairs)
        report(cases, arguments.json)
    show_times(cases, console)
    show_accuracy(cases, console)


if __name__ == "__main__":
    main()
