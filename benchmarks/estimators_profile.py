"""Compare profiles and contours of skyred and plain gammapy: CPU time and results.

Each measurement starts with new copies of the same datasets and best-fit models. gammapy and skyred
alternate in one process, as in ``likelihood.py``::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/estimators_profile.py --pairs 3 --contours

The results of gammapy are from ``Fit.stat_profile(reoptimize=True)`` along one parameter, and from
``Fit.stat_contour``. The times of skyred include the compilation of the likelihood, the fit and
HESSE.
"""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from likelihood import AlternatingTimer, environment, prepare, report, skyred_fit
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from likelihood_cases import Case

PROFILE_POINTS = 11
CONTOUR_POINTS = 20
TARGET = 20  # ratio of the CPU times of gammapy and skyred
# the parameters of the contour of each case; the profile is along the first of them
PARAMETERS = {"crab": ("index", "amplitude"), "onoff": ("index", "amplitude")}


def scan_values(datasets: Datasets, name: str) -> np.ndarray:
    parameter = datasets.models.parameters[name]
    return parameter.value + parameter.error * np.linspace(-2, 2, PROFILE_POINTS)


def plain_profile(datasets: Datasets, name: str) -> np.ndarray:
    from gammapy.modeling import Fit

    parameter = datasets.models.parameters[name]
    parameter.scan_values = scan_values(datasets, name)
    scan = Fit().stat_profile(datasets, parameter, reoptimize=True)["stat_scan"]
    return scan - scan.min()


def skyred_profile(datasets: Datasets, name: str) -> np.ndarray:
    from skyred.components.gammapy import ProfileLikelihood

    unit = datasets.models.parameters[name].unit
    values = scan_values(datasets, name) * unit
    estimator = ProfileLikelihood(parameters=[f"crab.{name}"], values=values, sigmas=())
    (curve,) = estimator.estimate(datasets, None).curves
    return curve.delta_stat - curve.delta_stat.min()


def plain_contour(datasets: Datasets, x: str, y: str) -> np.ndarray:
    from gammapy.modeling import Fit

    parameters = (datasets.models.parameters[name] for name in (x, y))
    contour = Fit().stat_contour(datasets, *parameters, numpoints=CONTOUR_POINTS, sigma=1)
    return bounding_box(*(contour[f"crab.spectral.{name}"] for name in (x, y)))


def skyred_contour(datasets: Datasets, x: str, y: str) -> np.ndarray:
    from skyred.components.gammapy import Contours

    names = [f"crab.{x}", f"crab.{y}"]
    estimator = Contours(parameters=names, sigmas=[1], points=CONTOUR_POINTS)
    (line,) = estimator.estimate(datasets, None).pairs[0].lines
    return bounding_box(line.x, line.y)


def bounding_box(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array([x.min(), x.max(), y.min(), y.max()])


def measure(case: Case, pairs: int, contours: bool) -> dict[str, Any]:
    """Time a case from its best-fit values, and compare the results."""
    datasets = case.datasets()
    skyred_fit(datasets)
    x, y = PARAMETERS[case.name]
    skyred_contour(case.datasets(datasets.models), x, y)  # first calls are not timed
    skyred_profile(case.datasets(datasets.models), x)
    functions = [
        functools.partial(function, name=x) for function in (plain_profile, skyred_profile)
    ]
    timer = AlternatingTimer(case, datasets.models, *functions)
    outcome: dict[str, Any] = {"title": case.title, "profile": timer.run(pairs)}
    difference = timer.results["plain"] - timer.results["skyred"]
    outcome["profile"] |= {"largest_difference": float(np.abs(difference).max())}
    if contours:
        functions = [
            functools.partial(function, x=x, y=y) for function in (plain_contour, skyred_contour)
        ]
        timer = AlternatingTimer(case, datasets.models, *functions)
        outcome["contour"] = timer.run(pairs)
        box, skyred_box = timer.results["plain"], timer.results["skyred"]
        widths = np.repeat([box[1] - box[0], box[3] - box[2]], 2)
        difference = (box - skyred_box) / widths
        outcome["contour"] |= {"largest_difference": float(np.abs(difference).max())}
    return outcome


def show(cases: dict[str, dict[str, Any]], console: Console) -> None:
    """Print the times of profiles and contours, their ratios and their differences."""
    table = Table(title="CPU time, and ratio of gammapy to skyred", title_justify="left")
    heads = ("case", "gammapy [ms]", "skyred [ms]", "ratio", "range", "target", "difference")
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, outcome in cases.items():
        for kind in ("profile", "contour"):
            if kind not in outcome:
                continue
            times = outcome[kind]
            low, high = times["ratio_range"]
            unit = "of the width" if kind == "contour" else "in the statistic"
            table.add_row(
                f"{name}, {kind}",
                f"{times['plain_ms']:.0f}",
                f"{times['skyred_ms']:.0f}",
                f"{times['ratio']:.0f}",
                f"{low:.0f} .. {high:.0f}",
                f"{TARGET}",
                f"{times['largest_difference']:.1e} {unit}",
            )
    console.print(table)


def main() -> None:
    """Time profiles with skyred and with gammapy, in pairs, and print the results."""
    prepare()
    from likelihood_cases import CASES, warm_up_cases

    cases_by_name = {make.__name__: make for make in CASES if make.__name__ in PARAMETERS}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=3, help="pairs that are timed")
    parser.add_argument(
        "--case", action="append", choices=cases_by_name, help="name of a case; may be repeated"
    )
    parser.add_argument(
        "--contours", action="store_true", help="also time contours, which takes minutes"
    )
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    for case in warm_up_cases():  # imports and first calls are not timed
        AlternatingTimer(case, None, skyred_fit, skyred_fit).run(1)
    cases = dict[str, dict[str, Any]]()
    for name in arguments.case or cases_by_name:
        cases[name] = measure(cases_by_name[name](), arguments.pairs, arguments.contours)
        report(cases, arguments.json)
    console = Console(width=120)
    show(cases, console)
    console.print(json.dumps(environment()["load"]))


if __name__ == "__main__":
    main()
