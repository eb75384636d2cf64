"""What profiles and contours cost: skyred's beside plain gammapy, and how they differ.

Both begin each time with new copies of the same datasets and models at their best, in one process
and in turns, as in ``likelihood.py``; CPU time is compared::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/estimators_profile.py --pairs 3 --contours

gammapy's side is what its users write: ``Fit.stat_profile(reoptimize=True)`` along one parameter,
and ``Fit.stat_contour``. skyred's side lays the datasets out and finds the minimum and HESSE anew
each time.
"""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from likelihood import Turns, prepare, report, skyred_fit, surroundings
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from likelihood_cases import Case

POINTS = 11
CONTOUR = 20
TARGET = 20
# of each case: what the profile is along, and the pair of the contour
LOOKED_AT = {"crab": ("index", "amplitude"), "onoff": ("index", "amplitude")}


def values_of(datasets: Datasets, name: str) -> np.ndarray:
    parameter = datasets.models.parameters[name]
    return parameter.value + parameter.error * np.linspace(-2, 2, POINTS)


def plain_profile(datasets: Datasets, name: str) -> np.ndarray:
    from gammapy.modeling import Fit

    parameter = datasets.models.parameters[name]
    parameter.scan_values = values_of(datasets, name)
    scan = Fit().stat_profile(datasets, parameter, reoptimize=True)["stat_scan"]
    return scan - scan.min()


def skyred_profile(datasets: Datasets, name: str) -> np.ndarray:
    from skyred.components.gammapy import ProfileLikelihood

    unit = datasets.models.parameters[name].unit
    values = values_of(datasets, name) * unit
    estimator = ProfileLikelihood(parameters=[f"crab.{name}"], values=values, sigmas=())
    (curve,) = estimator.estimate(datasets, None).curves
    return curve.delta_stat - curve.delta_stat.min()


def plain_contour(datasets: Datasets, x: str, y: str) -> np.ndarray:
    from gammapy.modeling import Fit

    pair = (datasets.models.parameters[name] for name in (x, y))
    found = Fit().stat_contour(datasets, *pair, numpoints=CONTOUR, sigma=1)
    return spans(*(found[f"crab.spectral.{name}"] for name in (x, y)))


def skyred_contour(datasets: Datasets, x: str, y: str) -> np.ndarray:
    from skyred.components.gammapy import Contours

    names = [f"crab.{x}", f"crab.{y}"]
    estimator = Contours(parameters=names, sigmas=[1], points=CONTOUR)
    (line,) = estimator.estimate(datasets, None).pairs[0].lines
    return spans(line.x, line.y)


def spans(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array([x.min(), x.max(), y.min(), y.max()])


def measure(case: Case, pairs: int, contours: bool) -> dict[str, Any]:
    """Time a case from its best values, and compare what the two found."""
    datasets = case.datasets()
    skyred_fit(datasets)
    x, y = LOOKED_AT[case.name]
    skyred_contour(case.datasets(datasets.models), x, y)  # imports are not counted
    skyred_profile(case.datasets(datasets.models), x)
    work = [functools.partial(each, name=x) for each in (plain_profile, skyred_profile)]
    turns = Turns(case, datasets.models, *work)
    found: dict[str, Any] = {"title": case.title, "profile": turns.take(pairs)}
    plain, ours = (turns.given[name] for name in ("plain", "skyred"))
    found["profile"] |= {"largest_difference": float(np.abs(plain - ours).max())}
    if contours:
        work = [functools.partial(each, x=x, y=y) for each in (plain_contour, skyred_contour)]
        turns = Turns(case, datasets.models, *work)
        found["contour"] = turns.take(pairs)
        plain, ours = (turns.given[name] for name in ("plain", "skyred"))
        widths = np.repeat([plain[1] - plain[0], plain[3] - plain[2]], 2)
        found["contour"] |= {"largest_difference": float(np.abs((plain - ours) / widths).max())}
    return found


def show(cases: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table(title="CPU time, gammapy's over skyred's", title_justify="left")
    heads = ("case", "gammapy [ms]", "skyred [ms]", "ratio", "range", "target", "difference")
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, found in cases.items():
        for what in ("profile", "contour"):
            if what not in found:
                continue
            times = found[what]
            low, high = times["ratio_range"]
            unit = "of the width" if what == "contour" else "in the statistic"
            table.add_row(
                f"{name}, {what}",
                f"{times['plain_ms']:.0f}",
                f"{times['skyred_ms']:.0f}",
                f"{times['ratio']:.0f}",
                f"{low:.0f} .. {high:.0f}",
                f"{TARGET}",
                f"{times['largest_difference']:.1e} {unit}",
            )
    console.print(table)


def main() -> None:
    prepare()
    from likelihood_cases import CASES, smallest

    known = {make.__name__: make for make in CASES if make.__name__ in LOOKED_AT}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=3, help="pairs that are timed")
    parser.add_argument("--case", action="append", choices=known, help="only this; may be repeated")
    parser.add_argument("--contours", action="store_true", help="time contours too: takes minutes")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    for case in smallest():  # imports and first calls are not counted
        Turns(case, None, skyred_fit, skyred_fit).take(1)
    cases = dict[str, dict[str, Any]]()
    for name in arguments.case or known:
        cases[name] = measure(known[name](), arguments.pairs, arguments.contours)
        report(cases, arguments.json)
    console = Console(width=120)
    show(cases, console)
    console.print(json.dumps(surroundings()["load"]))


if __name__ == "__main__":
    main()
