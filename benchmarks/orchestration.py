"""Compare the CPU time of the reduction of the H.E.S.S. Crab with a plain gammapy script.

Three reductions alternate in one process, so that other load on the machine affects all of them
equally: with plain gammapy, with skyred and an empty cache (plugins, selection, inspection of the
input, reduction, observation log, writing of the cache), and with skyred and all observations in
the cache. Use one thread. The steps that plain gammapy does not have are also timed separately,
because skyred is faster in other steps::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/orchestration.py --rounds 9 --json out.json
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import logging
import os
import platform
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {"fresh": 1.1, "extra": 0.1, "resumed": 0.1}  # ratios to the time of plain gammapy


def plain_reduce(folder: Path) -> float:
    """Reduce with the script of gammapy's tutorial, and return the total counts."""
    import plain_gammapy

    return float(plain_gammapy.reduce().counts.data.sum())


def fresh(folder: Path) -> float:
    """Reduce with skyred and an empty cache."""
    shutil.rmtree(folder / "fresh", ignore_errors=True)
    return skyred_reduce(folder / "fresh", {"reduced"})


def resumed(folder: Path) -> float:
    """Reduce with skyred, with all observations in the cache except in the first call."""
    return skyred_reduce(folder / "resumed", {"reduced", "cached"})


def skyred_reduce(cache: Path, expected: set[str]) -> float:
    """Reduce with skyred, and check the status of the observations."""
    from skyred import Orchestrator

    orchestrator = Orchestrator(pipeline(), cache=cache)
    counts = float(orchestrator.reduce()["hess"].counts.data.sum())
    if not {outcome.status for outcome in orchestrator.outcomes} <= expected:
        raise SystemExit(
            f"unexpected status of observations; expected {' or '.join(sorted(expected))}"
        )
    return counts


class Clock:
    """Clock that sums the CPU time inside wrapped functions."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = False

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that also adds its CPU time; nested calls are counted once."""

        @functools.wraps(function)
        def timed_function(*arguments: Any, **options: Any) -> Any:
            if self._inside:
                return function(*arguments, **options)
            start, self._inside = time.process_time(), True
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.process_time() - start
                self._inside = False

        return timed_function


def time_additional_steps(clock: Clock) -> None:
    """Time the steps that plain gammapy does not have: inspection, cache, plugins, log."""
    import skyred.inspection.run
    from skyred.interfaces import Chain
    from skyred.run import cached_chunks, orchestrator, reduce, select, steps

    timed_functions = [
        (skyred.inspection.run, "inspect_run"), (select, "list_run_inputs"),
        (reduce, "compute_checksums"),
        *((cached_chunks.EntryCache, name) for name in ("key", "get", "put")),
        (cached_chunks.Recipe, "from_reduction"), (cached_chunks.Cache, "prune"),
        (orchestrator.Plugins, "load"),
        (orchestrator, "open_cache"), (orchestrator, "create_record"),
        (steps.Steps, "_record_outcome"), (Chain, "problems"),
    ]  # fmt: skip
    for owner, name in timed_functions:
        original = vars(owner)[name]
        if isinstance(original, classmethod):
            setattr(owner, name, classmethod(clock.wrap(original.__func__)))
        else:
            setattr(owner, name, clock.wrap(original))


@functools.cache
def pipeline() -> Any:
    from skyred import Pipeline

    return Pipeline.from_yaml(ROOT / "examples" / "crab.yaml")


def cpu_seconds(function: Callable[[Path], float], folder: Path) -> tuple[float, float]:
    """Return the CPU time of a function and its result, after a garbage collection."""
    gc.collect()
    start = time.process_time()
    result = function(folder)
    return time.process_time() - start, result


def measure(rounds: int, folder: Path) -> dict[str, list[float]]:
    """Time the three reductions alternately, in a different order in each round."""
    times: dict[str, list[float]] = {"plain": [], "fresh": [], "extra": [], "resumed": []}
    reductions = [("plain", plain_reduce), ("fresh", fresh), ("resumed", resumed)]
    clock = Clock()
    time_additional_steps(clock)
    for number in range(-1, rounds):  # the first round is not timed: imports, empty cache
        counts = set()
        for name, reduction in reductions[number % 3 :] + reductions[: number % 3]:
            start = clock.seconds
            seconds, total_counts = cpu_seconds(reduction, folder)
            counts.add(total_counts)
            if number >= 0:
                times[name].append(seconds)
                if name == "fresh":
                    times["extra"].append(clock.seconds - start)
        if len(counts) > 1:
            raise SystemExit(f"the results differ: counts {sorted(counts)}")
    return times


def summary(times: dict[str, list[float]]) -> dict[str, Any]:
    """Return median times, and the median and quartiles of the ratio to plain gammapy."""
    return {
        "rounds": len(times["plain"]),
        "load": [round(load, 1) for load in os.getloadavg()],
        "plain": {"median_s": float(np.median(times["plain"])), "all_s": times["plain"]},
        **{name: _ratio(times[name], times["plain"], TARGETS[name]) for name in TARGETS},
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("skyred", "gammapy", "astropy", "numpy")},
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def _ratio(skyred: list[float], plain: list[float], target: float) -> dict[str, Any]:
    low, median, high = np.percentile(np.array(skyred) / np.array(plain), [25, 50, 75])
    return {
        "median_s": float(np.median(skyred)),
        "ratio": round(float(median), 4),
        "quartiles": [round(float(low), 4), round(float(high), 4)],
        "target": target,
        "met": bool(median <= target),
        "all_s": skyred,
    }


def show(results: dict[str, Any]) -> None:
    """Print the times of the reduction and of its parts, relative to plain gammapy."""
    title = (
        f"reduction of 4 runs, H.E.S.S. Crab: CPU time, {results['rounds']} rounds, "
        f"load {results['load']}"
    )
    table = Table(title=title)
    for name in ("", "median", "ratio", "quartiles", "target"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("plain gammapy", f"{results['plain']['median_s']:.3f} s", "", "", "")
    labels = {
        "fresh": "skyred",
        "extra": "additional steps of skyred",
        "resumed": "skyred, resumed",
    }
    for name, label in labels.items():
        row = results[name]
        low, high = row["quartiles"]
        target = f"{row['target']:.2f} {'met' if row['met'] else 'MISSED'}"
        times = f"{row['median_s']:.3f} s", f"{row['ratio']:.3f}", f"{low:.3f} .. {high:.3f}"
        table.add_row(label, *times, target)
    Console(width=100).print(table)


def main() -> None:
    """Measure the time of a reduction relative to plain gammapy, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that are timed, at least 5")
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error("at least 5 rounds are needed")
    # the tests also use the plain gammapy scripts in this folder
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        results = summary(measure(arguments.rounds, Path(folder)))
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
