"""What the chain costs: reducing the H.E.S.S. Crab with skyred beside the plain gammapy script.

Both do the same work with the same makers, in one process and in turns, so that what else the
machine does falls on both alike. CPU time is compared, best with one thread::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/orchestration.py --pairs 9 --json out.json
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
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
TARGET = 1.05  # skyred may cost 5 % more


def plain_reduce() -> float:
    """Reduce with the script of gammapy's tutorial; gives the summed counts."""
    import plain_gammapy

    return float(plain_gammapy.reduce().counts.data.sum())


def skyred_reduce() -> float:
    """Reduce with skyred: find the plugins, check the pipeline, select, reduce."""
    from skyred import Orchestrator

    return float(Orchestrator(pipeline()).reduce()["hess"].counts.data.sum())


@functools.cache
def pipeline() -> Any:
    from skyred import Pipeline

    return Pipeline.from_yaml(ROOT / "examples" / "crab.yaml")


def cpu_seconds(work: Callable[[], float]) -> tuple[float, float]:
    """Give the CPU time of a piece of work, and what it gave; earlier garbage is not its own."""
    gc.collect()
    started = time.process_time()
    value = work()
    return time.process_time() - started, value


def measure(pairs: int) -> tuple[list[float], list[float]]:
    """Time both in turns, and in turns which of them goes first."""
    plain, ours = [], []
    for number in range(-1, pairs):  # the first pair warms up imports and caches
        order = [(plain_reduce, plain), (skyred_reduce, ours)]
        counts = set()
        for work, times in order if number % 2 else order[::-1]:
            seconds, value = cpu_seconds(work)
            counts.add(value)
            if number >= 0:
                times.append(seconds)
        if len(counts) > 1:
            raise SystemExit(f"the two do not do the same: counts {sorted(counts)}")
    return plain, ours


def summary(plain: list[float], ours: list[float]) -> dict[str, object]:
    """Give medians, and the median ratio of a pair with its quartiles."""
    ratios = np.array(ours) / np.array(plain)
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return {
        "pairs": len(plain),
        "plain_s": round(float(np.median(plain)), 4),
        "skyred_s": round(float(np.median(ours)), 4),
        "ratio": round(float(middle), 4),
        "ratio_quartiles": [round(float(low), 4), round(float(high), 4)],
        "target": TARGET,
        "met": bool(middle <= TARGET),
        "plain_all_s": [round(seconds, 4) for seconds in plain],
        "skyred_all_s": [round(seconds, 4) for seconds in ours],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("skyred", "gammapy", "astropy", "numpy")},
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def show(found: dict[str, object]) -> None:
    table = Table(title=f"reduce, H.E.S.S. Crab, 4 runs: CPU seconds, {found['pairs']} pairs")
    for name in ("", "median", "quartiles"):
        table.add_column(name, justify="right" if name else "left")
    for name in ("plain", "skyred"):
        low, high = np.percentile(found[f"{name}_all_s"], [25, 75])
        table.add_row(name, f"{found[f'{name}_s']:.3f}", f"{low:.3f} .. {high:.3f}")
    low, high = found["ratio_quartiles"]
    verdict = "met" if found["met"] else "missed"
    table.add_row("ratio", f"{found['ratio']:.3f}", f"{low:.3f} .. {high:.3f}")
    Console().print(table, f"target: at most {TARGET}: {verdict}", sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=7, help="pairs that are timed, at least 5")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    if arguments.pairs < 5:
        parser.error("fewer than 5 pairs tell nothing")
    sys.path.insert(0, str(ROOT / "tests"))  # the plain script is what the tests compare with
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    found = summary(*measure(arguments.pairs))
    show(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
