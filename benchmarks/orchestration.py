"""What the chain costs: reducing the H.E.S.S. Crab with skyred beside the plain gammapy script.

Three do the same work, in one process and in turns, so that what else the machine does falls on all
alike: plain gammapy; skyred with an empty cache (plugins, configuration, selection, inspection of
the input, reduction, ledger, cache written); and skyred with all of it in the cache. CPU time is
compared, best with one thread. The parts that plain gammapy does not have are timed by themselves
too: skyred is quicker elsewhere, and that must not hide what they cost::

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
TARGETS = {"fresh": 1.1, "extra": 0.1, "resumed": 0.1}  # of a plain reduction


def plain_reduce(folder: Path) -> float:
    """Reduce with the script of gammapy's tutorial; gives the summed counts."""
    import plain_gammapy

    return float(plain_gammapy.reduce().counts.data.sum())


def fresh(folder: Path) -> float:
    """Reduce with skyred and an empty cache."""
    shutil.rmtree(folder / "fresh", ignore_errors=True)
    return skyred_reduce(folder / "fresh", {"made"})


def resumed(folder: Path) -> float:
    """Reduce with skyred, everything in the cache but the first time."""
    return skyred_reduce(folder / "resumed", {"made", "cached"})


def skyred_reduce(cache: Path, expected: set[str]) -> float:
    """Find the plugins, select, inspect, reduce; the pipeline was checked when it was read."""
    from skyred import Orchestrator

    orchestrator = Orchestrator(pipeline(), cache=cache)
    counts = float(orchestrator.reduce()["hess"].counts.data.sum())
    if not {outcome.status for outcome in orchestrator.outcomes} <= expected:
        raise SystemExit("the runs are not what they should be: made, or cached")
    return counts


class Clock:
    """Adds up the CPU time inside functions that stand in for others."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = False

    def timing(self, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def timed(*given: Any, **options: Any) -> Any:
            if self._inside:
                return work(*given, **options)
            started, self._inside = time.process_time(), True
            try:
                return work(*given, **options)
            finally:
                self.seconds += time.process_time() - started
                self._inside = False

        return timed


def watch_extras(clock: Clock) -> None:
    """Time what plain gammapy does not do: inspection, cache, plugins, ledger."""
    import skyred.inspection.run
    from skyred.interfaces import Chain
    from skyred.run import cached_chunks, orchestrator, reduce, select, steps

    places = [
        (skyred.inspection.run, "inspect_run"), (select, "list_run_inputs"), (reduce, "sums_of"),
        *((cached_chunks.EntryCache, name) for name in ("key", "get", "put")),
        (cached_chunks.Recipe, "of"), (cached_chunks.Cache, "prune"),
        (orchestrator.Plugins, "load"),
        (orchestrator, "open_cache"), (orchestrator, "_describe"), (steps.Steps, "_tell"),
        (Chain, "problems"),
    ]  # fmt: skip
    for owner, name in places:
        held = vars(owner)[name]
        if isinstance(held, classmethod):
            setattr(owner, name, classmethod(clock.timing(held.__func__)))
        else:
            setattr(owner, name, clock.timing(held))


@functools.cache
def pipeline() -> Any:
    from skyred import Pipeline

    return Pipeline.from_yaml(ROOT / "examples" / "crab.yaml")


def cpu_seconds(work: Callable[[Path], float], folder: Path) -> tuple[float, float]:
    """Give the CPU time of a piece of work, and what it gave; earlier garbage is not its own."""
    gc.collect()
    started = time.process_time()
    value = work(folder)
    return time.process_time() - started, value


def measure(rounds: int, folder: Path) -> dict[str, list[float]]:
    """Time all three in turns, and in turns which of them goes first."""
    times: dict[str, list[float]] = {"plain": [], "fresh": [], "extra": [], "resumed": []}
    works = [("plain", plain_reduce), ("fresh", fresh), ("resumed", resumed)]
    clock = Clock()
    watch_extras(clock)
    for number in range(-1, rounds):  # the first one warms up imports, and fills the cache
        counts = set()
        for name, work in works[number % 3 :] + works[: number % 3]:
            before = clock.seconds
            seconds, value = cpu_seconds(work, folder)
            counts.add(value)
            if number >= 0:
                times[name].append(seconds)
                if name == "fresh":
                    times["extra"].append(clock.seconds - before)
        if len(counts) > 1:
            raise SystemExit(f"they do not do the same: counts {sorted(counts)}")
    return times


def summary(times: dict[str, list[float]]) -> dict[str, Any]:
    """Give medians, and the median ratio to plain gammapy in a round with its quartiles."""
    return {
        "rounds": len(times["plain"]),
        "load": [round(load, 1) for load in os.getloadavg()],
        "plain": {"median_s": float(np.median(times["plain"])), "all_s": times["plain"]},
        **{name: _ratio(times[name], times["plain"], TARGETS[name]) for name in TARGETS},
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("skyred", "gammapy", "astropy", "numpy")},
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def _ratio(ours: list[float], plain: list[float], target: float) -> dict[str, Any]:
    low, middle, high = np.percentile(np.array(ours) / np.array(plain), [25, 50, 75])
    return {
        "median_s": float(np.median(ours)),
        "ratio": round(float(middle), 4),
        "quartiles": [round(float(low), 4), round(float(high), 4)],
        "target": target,
        "met": bool(middle <= target),
        "all_s": ours,
    }


def show(found: dict[str, Any]) -> None:
    title = (
        f"reduce, H.E.S.S. Crab, 4 runs: CPU time, {found['rounds']} rounds, load {found['load']}"
    )
    table = Table(title=title)
    for name in ("", "median", "of plain", "quartiles", "target"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("plain gammapy", f"{found['plain']['median_s']:.3f} s", "", "", "")
    labels = {"fresh": "skyred", "extra": "what is extra in it", "resumed": "skyred, resumed"}
    for name, label in labels.items():
        row = found[name]
        low, high = row["quartiles"]
        verdict = f"{row['target']:.2f} {'met' if row['met'] else 'MISSED'}"
        times = f"{row['median_s']:.3f} s", f"{row['ratio']:.3f}", f"{low:.3f} .. {high:.3f}"
        table.add_row(label, *times, verdict)
    Console(width=100).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that are timed, at least 5")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error("fewer than 5 rounds tell nothing")
    sys.path.insert(
        0, str(ROOT / "tests" / "helpers")
    )  # the plain script is what the tests compare with
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        found = summary(measure(arguments.rounds, Path(folder)))
    show(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
