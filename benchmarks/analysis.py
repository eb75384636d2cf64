"""Compare the CPU time of a complete analysis, from DL3 to flux points, with plain gammapy.

The analysis is `examples/crab.yaml`. skyred and gammapy alternate in one process, after one round
that is not timed, so that imports are left out, and other load on the machine affects both. skyred
also loads plugins, inspects the files, and writes the observation log, the report and checksums;
its cache is off. It runs with and without plots. Use one thread::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/analysis.py --rounds 3 --json out.json
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))  # the tests also use the gammapy script there
STEPS = ("reduction", "fit", "flux points", "residuals", "excess map", "run folder", "plots")
GOALS = {"without plots": 20.0, "all": 12.0}  # ratios to the time of plain gammapy
Times = dict[str, float]


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its child processes that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@attrs.define
class Clock:
    """The CPU time of steps.

    Parameters
    ----------
    seconds : dict
        The CPU time by step.
    """

    seconds: Times = attrs.field(factory=dict)

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        """Add the CPU time of a block to a step."""
        start = cpu_seconds()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + cpu_seconds() - start


def run_gammapy(folder: Path) -> tuple[Times, float]:
    """Run the analysis with gammapy; return the times and the fit statistic."""
    import analysis_gammapy

    clock = Clock()
    stat = analysis_gammapy.analyse(folder, clock.time)
    return clock.seconds, stat


def run_skyred(folder: Path) -> tuple[Times, float]:
    """Run the analysis with skyred; return the times and the fit statistic.

    The run without plots is timed by step, and that with plots as the difference of the times
    of the run folders.
    """
    times, stat = time_steps(folder / "without", "progress,plots")
    with_plots, _ = time_steps(folder / "with", "progress")
    return {**times, "plots": with_plots["run folder"] - times["run folder"]}, stat


def time_steps(folder: Path, blocked: str) -> tuple[Times, float]:
    """Run the analysis step by step, without the blocked plugins."""
    from skyred import Orchestrator, Pipeline

    os.environ["SKYRED_BLOCK"] = blocked
    clock = Clock()
    with clock.time("reduction"):
        orchestrator = Orchestrator(Pipeline.from_yaml(ROOT / "examples" / "crab.yaml"))
        orchestrator.reduce()
    with clock.time("fit"):
        orchestrator.fit()
    with estimators_timed(orchestrator.pipeline.estimate, clock):
        orchestrator.estimate()
    with clock.time("run folder"):  # the steps have run: the outputs are written
        result = orchestrator.run(folder)
    return clock.seconds, float(result.fit.stat)


@contextmanager
def estimators_timed(estimators: tuple[Any, ...], clock: Clock) -> Iterator[None]:
    """Time the method `estimate` of estimators of different classes."""
    methods = {type(estimator): type(estimator).estimate for estimator in estimators}

    def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
        def estimate(self: Any, datasets: Any, fit: Any) -> Any:
            with clock.time(self.kind.replace("-", " ")):
                return method(self, datasets, fit)

        return estimate

    for cls, method in methods.items():
        cls.estimate = wrap(method)
    try:
        yield
    finally:
        for cls, method in methods.items():
            cls.estimate = method


def measure(rounds: int) -> dict[str, list[Times]]:
    """Run both analyses alternately; the first round is not timed."""
    times: dict[str, list[Times]] = {"gammapy": [], "skyred": []}
    for number in range(-1, rounds):
        stats = {}
        for name, run in (("gammapy", run_gammapy), ("skyred", run_skyred)):
            gc.collect()
            with tempfile.TemporaryDirectory() as folder:
                seconds, stats[name] = run(Path(folder))
            if number >= 0:
                times[name].append(seconds)
        # gammapy's background norms and fits stop before the exact minimum
        if abs(stats["gammapy"] - stats["skyred"]) > 0.1:
            raise SystemExit(f"the fit statistics differ: {stats}")
    return times


def summarise(times: dict[str, list[Times]]) -> list[dict[str, Any]]:
    """Return the median times of each step and of all steps, and the quartiles of the ratio."""
    groups = {step: (step,) for step in STEPS}
    groups |= {"without plots": STEPS[:-1], "all": STEPS}
    rows = []
    for name, steps in groups.items():
        gammapy, skyred = (
            np.array([sum(seconds[step] for step in steps) for seconds in times[side]])
            for side in ("gammapy", "skyred")
        )
        low, ratio, high = np.percentile(gammapy / skyred, [25, 50, 75])
        rows.append({
            "step": name, "gammapy_s": float(np.median(gammapy)),
            "skyred_s": float(np.median(skyred)), "ratio": float(ratio),
            "quartiles": [float(low), float(high)], "goal": GOALS.get(name),
        })  # fmt: skip
    return rows


def show(rows: list[dict[str, Any]], rounds: int) -> None:
    """Print the times and ratios."""
    load = os.getloadavg()[0]
    table = Table(title=f"H.E.S.S. Crab, CPU time, {rounds} rounds, load {load:.1f}")
    for name in ("step", "gammapy", "skyred", "ratio", "quartiles", "goal"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for row in rows:
        low, high = row["quartiles"]
        table.add_row(
            row["step"],
            f"{row['gammapy_s']:.2f} s",
            f"{row['skyred_s']:.3f} s",
            f"{row['ratio']:.1f}",
            f"{low:.1f} to {high:.1f}",
            f"{row['goal']:g}" if row["goal"] else "",
        )
    Console(width=100).print(table)


def main() -> None:
    """Time both analyses, and print or save the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    os.environ["SKYRED_CACHE"] = "off"
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    times = measure(arguments.rounds)
    rows = summarise(times)
    show(rows, arguments.rounds)
    if arguments.json:
        content = {"summary": rows, "times": times}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
