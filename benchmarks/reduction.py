"""Compare the CPU time of reductions with plain gammapy, in one process.

For each case, plain gammapy and skyred alternate, so that other load on the machine affects both.
skyred also inspects the files, and records the observations; its cache is off. Use one thread::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/reduction.py --rounds 5 --json out.json
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from reduction_cases import CASES, Case
from rich.console import Console
from rich.table import Table


@attrs.frozen
class Comparison:
    """The times of a case, and the largest differences of the maps of the first dataset."""

    case: str
    gammapy_s: list[float]
    skyred_s: list[float]
    differences: dict[str, float]
    goal: float

    @property
    def ratios(self) -> tuple[float, float, float]:
        """The lower quartile, the median and the upper quartile of the ratio of the times."""
        ratios = np.array(self.gammapy_s) / np.array(self.skyred_s)
        low, median, high = np.percentile(ratios, [25, 50, 75])
        return float(low), float(median), float(high)


def measure_seconds(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU time of a function and its result, after a garbage collection."""
    gc.collect()
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def compare(case: Case, rounds: int) -> Comparison:
    """Time a case; the first round is not timed."""
    from skyred import Orchestrator

    pipeline = case.pipeline()

    def reduce() -> Any:
        datasets = Orchestrator(pipeline).reduce()
        return datasets[0] if len(datasets) == 1 else datasets

    expected, result = case.reduce_with_gammapy(), reduce()
    seconds: dict[str, list[float]] = {"gammapy": [], "skyred": []}
    for _ in range(rounds):
        seconds["gammapy"].append(measure_seconds(case.reduce_with_gammapy)[0])
        seconds["skyred"].append(measure_seconds(reduce)[0])
    differences = find_differences(result, expected)
    return Comparison(case.name, seconds["gammapy"], seconds["skyred"], differences, case.goal)


def find_differences(result: Any, expected: Any) -> dict[str, float]:
    """Return the largest difference of each map, divided by its largest value.

    Parameters
    ----------
    result, expected : gammapy.datasets.Dataset or Datasets
        A dataset, or datasets in the same order.

    Returns
    -------
    dict of str to float
        The differences by name of the map.
    """
    pairs = (
        [(result, expected)] if hasattr(result, "counts") else zip(result, expected, strict=True)
    )
    differences: dict[str, float] = {}
    for dataset, expected_dataset in pairs:
        for name, data in list_maps(dataset).items():
            expected_data = list_maps(expected_dataset)[name]
            scale = np.abs(expected_data).max() or 1.0
            difference = float(np.abs(data - expected_data).max() / scale)
            differences[name] = max(differences.get(name, 0.0), difference)
    return differences


def list_maps(dataset: Any) -> dict[str, np.ndarray]:
    """Return the maps of a dataset by name."""
    names = ("counts", "counts_off", "acceptance_off", "background", "exposure", "mask_safe")
    maps = {name: getattr(dataset, name, None) for name in names}
    if getattr(dataset, "counts_off", None) is not None:
        del maps["background"]
    for name in ("psf", "edisp"):
        irf = getattr(dataset, name, None)
        maps[name] = None if irf is None else irf._irf_map
    return {name: item.data.astype(float) for name, item in maps.items() if item is not None}


def show(comparisons: list[Comparison]) -> None:
    """Print the times, their ratios and the largest difference of each case."""
    table = Table(title=f"CPU time of reductions, load {os.getloadavg()[0]:.1f}")
    for name in ("case", "gammapy", "skyred", "ratio", "quartiles", "goal", "largest difference"):
        table.add_column(name, justify="left" if name == "case" else "right")
    for comparison in comparisons:
        low, median, high = comparison.ratios
        name, largest = max(comparison.differences.items(), key=lambda item: item[1])
        table.add_row(
            comparison.case,
            f"{np.median(comparison.gammapy_s):.2f} s",
            f"{np.median(comparison.skyred_s):.2f} s",
            f"{median:.1f}",
            f"{low:.1f} to {high:.1f}",
            f"{comparison.goal:g}",
            f"{largest:.0e} ({name})",
        )
    Console(width=120).print(table)


def main() -> None:
    """Time the cases, and print or save the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", help="names, separated by commas; default: all")
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    names = arguments.cases.split(",") if arguments.cases else list(CASES)
    os.environ["SKYRED_CACHE"] = "off"
    logging.getLogger().setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    comparisons = []
    for name in names:
        comparisons.append(compare(CASES[name], arguments.rounds))
        show(comparisons[-1:])
    show(comparisons)
    if arguments.json:
        content = [attrs.asdict(comparison) for comparison in comparisons]
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
