"""Compare fits and flux points of skyred and plain gammapy: CPU time and results.

Each measurement starts with new copies of the same datasets and models. gammapy and skyred
alternate in one process, so that other load on the machine affects both equally::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/likelihood.py --pairs 5 --json out.json

The results of gammapy are from ``Fit().run(datasets)``, which does not call HESSE, and from
``FluxPointsEstimator`` with all optional columns. The times of skyred include HESSE and the
compilation of the likelihood.
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
TimedFunction = Callable[["Datasets"], Any]


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


def cpu_seconds(function: TimedFunction, datasets: Datasets) -> tuple[float, Any]:
    """Return the CPU time of a function and its result, after a garbage collection."""
    gc.collect()
    start = time.process_time()
    result = function(datasets)
    return time.process_time() - start, result


class AlternatingTimer:
    """Timer of two functions that are called alternately with new datasets.

    Parameters
    ----------
    case : Case
        The datasets and models.
    models : Models or None
        The models of the datasets; if None, those at the start values of the case.
    plain, skyred : callable
        Functions of datasets that use plain gammapy and skyred.
    """

    def __init__(
        self, case: Case, models: Models | None, plain: TimedFunction, skyred: TimedFunction
    ) -> None:
        self.case, self.models = case, models
        self.functions = {"plain": plain, "skyred": skyred}
        self.seconds: dict[str, list[float]] = {name: [] for name in self.functions}
        self.results: dict[str, Any] = {}
        self.datasets: dict[str, Datasets] = {}

    def run(self, pairs: int) -> dict[str, Any]:
        """Time pairs of calls, and return the times and their ratios."""
        for number in range(pairs):
            names = list(self.functions)
            for name in names if number % 2 else names[::-1]:
                datasets = self.case.datasets(self.models)
                seconds, result = cpu_seconds(self.functions[name], datasets)
                self.seconds[name].append(seconds)
                self.results[name], self.datasets[name] = result, datasets
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """Return median times, and the median, minimum and maximum of the ratios of pairs."""
        plain, skyred = (np.array(self.seconds[name]) for name in self.functions)
        ratios = plain / skyred
        return {
            "plain_ms": round(1e3 * float(np.median(plain)), 2),
            "skyred_ms": round(1e3 * float(np.median(skyred)), 2),
            "ratio": round(float(np.median(ratios)), 2),
            "ratio_range": [round(float(ratios.min()), 2), round(float(ratios.max()), 2)],
            "plain_all_ms": [round(1e3 * seconds, 2) for seconds in plain],
            "skyred_all_ms": [round(1e3 * seconds, 2) for seconds in skyred],
        }


def measure(case: Case, pairs: int) -> dict[str, Any]:
    """Time a case, and compare the results."""
    from likelihood_accuracy import FittedModels, compare_fits, compare_points

    pairs = min(pairs, case.pairs)
    fits = AlternatingTimer(case, None, plain_fit, skyred_fit)
    outcome: dict[str, Any] = {"title": case.title, "pairs": pairs}
    outcome["fit"] = fits.run(pairs) | {"target": case.target}
    plain, skyred = (
        FittedModels.from_datasets(fits.datasets[name]) for name in ("plain", "skyred")
    )
    result = fits.results["skyred"]
    is_close = functools.partial(np.allclose, rtol=1e-9, atol=0)
    if not (is_close(result.values, skyred.values) and is_close(result.errors, skyred.errors)):
        raise SystemExit(f"{case.name}: skyred's result differs from the values in the models")
    outcome |= {"free": len(skyred.values), "nfev": result.nfev, "edm": result.edm}
    outcome["plain_success"] = bool(fits.results["plain"].success)
    outcome["fit_accuracy"] = compare_fits(case, plain, skyred)
    if case.source:
        points = AlternatingTimer(case, plain.models, *points_functions(case))
        outcome["points"] = points.run(pairs) | {"target": case.target_points}
        outcome["points_accuracy"] = compare_points(
            points.results["plain"], points.results["skyred"]
        )
    return outcome


def points_functions(case: Case) -> list[TimedFunction]:
    """Return the functions that estimate flux points of a case, with gammapy and with skyred."""
    return [functools.partial(function, case=case) for function in (plain_points, skyred_points)]


def warm_up() -> None:
    """Run small cases, so that imports and first calls are not timed."""
    from likelihood_cases import warm_up_cases

    for case in warm_up_cases():
        AlternatingTimer(case, None, plain_fit, skyred_fit).run(1)
        AlternatingTimer(case, None, *points_functions(case)).run(1)


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
    """Print the times of the fits and flux points, and their ratios."""
    table = Table(title="CPU time, and ratio of gammapy to skyred", title_justify="left")
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
    """Print the largest differences between the results of skyred and gammapy."""
    table = Table(title="Largest differences between skyred and gammapy", title_justify="left")
    heads = ("case", "parameters [sigma]", "stat", "errors", "flux points", "sensitivity")
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, outcome in cases.items():
        fit, points = outcome["fit_accuracy"], outcome.get("points_accuracy", {})
        is_defined = np.array(fit["error_defined"])
        errors = np.abs(fit["skyred_errors"])[is_defined]
        differences = [
            comparison["difference"]
            for column, comparison in points.items()
            if "sensi" not in column
        ]
        table.add_row(
            name,
            f"{np.abs(fit['shifts']).max():.4f}",
            f"{fit['stat_difference']:+.4f}",
            f"{100 * errors.max():.2f} %" if len(errors) else "",
            f"{max(differences):.1e}" if differences else "",
            f"{points['norm_sensitivity']['difference']:.1e}" if points else "",
        )
        for index in np.flatnonzero(~is_defined):
            console.print(
                f"{name}: undefined error of {fit['names'][index]}, near a non-differentiable point"
            )
    console.print(table)
    console.print(
        "stat: gammapy's statistic at the best fit of skyred, minus that at the best fit of "
        "gammapy; errors: compared with a Hessian"
    )


def report(cases: dict[str, dict[str, Any]], path: Path | None) -> None:
    """Write the available results to a JSON file."""
    if path is not None:
        content = json.dumps({"environment": environment(), "cases": cases}, indent=1)
        path.write_text(content + "\n", encoding="utf-8")


def prepare() -> None:
    # the tests also use the plain gammapy scripts in this folder
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


def main() -> None:
    """Time fits and flux points with skyred and with gammapy, and print the results."""
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
