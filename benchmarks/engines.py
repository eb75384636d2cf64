"""Check that all engines return identical results, and measure the speed-up from a second worker.

The four targets of `examples/targets.yaml` (60 runs) are reduced with each engine in turn, without
a cache. Digests of all stacked arrays are printed; the program fails if any of them depends on the
engine::

    GAMMAPY_DATA=... python benchmarks/engines.py --repeats 2

Times include the start and the end of the workers; CPU times are those of the main process and of
its workers. The smallest of all repeats is reported. A second worker only helps if a second core is
free, so the load before each run is printed too; CPU times depend less on it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from gammapy.datasets import MapDataset

    from skyred import Engine

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "targets.yaml"


@attrs.frozen
class Reduction:
    """The result of a reduction by one engine.

    Parameters
    ----------
    digests : dict of (str, str) to str
        The sha256 of each array, by data entry and name.
    seconds : float
        Wall-clock time in seconds.
    parent_cpu, workers_cpu : float
        CPU times of the main process and of its workers in seconds.
    load : float
        Load of the machine before the reduction.
    """

    digests: dict[tuple[str, str], str]
    seconds: float
    parent_cpu: float
    workers_cpu: float
    load: float

    @property
    def cpu(self) -> float:
        """The CPU time of all processes in seconds."""
        return self.parent_cpu + self.workers_cpu


def arrays(dataset: MapDataset) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and data of every array of a stacked dataset."""
    maps = {
        "counts": dataset.counts,
        "background": dataset.background,
        "exposure": dataset.exposure,
        "mask_safe": dataset.mask_safe,
        "mask_fit": dataset.mask_fit,
        "psf": dataset.psf.psf_map,
        "psf exposure": dataset.psf.exposure_map,
        "edisp": dataset.edisp.edisp_map,
        "edisp exposure": dataset.edisp.exposure_map,
    }
    yield from ((name, sky_map.data) for name, sky_map in maps.items() if sky_map is not None)
    for edge in ("START", "STOP"):
        times = dataset.gti.table[edge]
        yield f"gti {edge.lower()}", np.stack([times.jd1, times.jd2])


def digest(array: np.ndarray) -> str:
    """Return the sha256 of the type, shape and bytes of an array."""
    head = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def create_engine(name: str) -> Engine:
    """Create an engine from `kind` or `kind:workers`."""
    from skyred.plugins import Plugins

    kind, _, workers = name.partition(":")
    options: dict[str, Any] = {"workers": int(workers)} if workers else {}
    return Plugins.load().catalog.get("engine", kind)(**options)


def cpu_seconds() -> tuple[float, float]:
    """Return the CPU times of this process and of the child processes that have ended."""
    times = os.times()
    return times.user + times.system, times.children_user + times.children_system


def reduce(engine: str, overrides: list[str]) -> Reduction:
    """Reduce the targets with an engine."""
    from skyred import Orchestrator, Pipeline

    pipeline = Pipeline.from_yaml(EXAMPLE, overrides=overrides)
    orchestrator = Orchestrator(pipeline, engine=create_engine(engine), cache=False)
    orchestrator.select()
    load, start, (parent, workers) = os.getloadavg()[0], time.perf_counter(), cpu_seconds()
    datasets = orchestrator.reduce()
    seconds, (parent_end, workers_end) = time.perf_counter() - start, cpu_seconds()
    digests = {
        (dataset.name, name): digest(data) for dataset in datasets for name, data in arrays(dataset)
    }
    return Reduction(digests, seconds, parent_end - parent, workers_end - workers, load)


def show_times(reductions_by_engine: dict[str, list[Reduction]]) -> None:
    """Print the times of each engine, their ratios, and the speed-up from a second worker."""
    print("\n| engine | wall, s | CPU, s | parent | workers | all wall times, s | load before |")
    print("|---|---:|---:|---:|---:|---|---|")
    wall_times, cpu_times = {}, {}
    for engine, reductions in reductions_by_engine.items():
        wall_times[engine] = min(reduction.seconds for reduction in reductions)
        best = min(reductions, key=lambda reduction: reduction.cpu)
        cpu_times[engine] = best.cpu
        times, loads = (
            ", ".join(f"{getattr(reduction, name):.1f}" for reduction in reductions)
            for name in ("seconds", "load")
        )
        print(
            f"| {engine} | {wall_times[engine]:.1f} | {best.cpu:.1f} | {best.parent_cpu:.1f} "
            f"| {best.workers_cpu:.1f} | {times} | {loads} |"
        )
    print("", *speed_ups(wall_times), *cpu_ratios(cpu_times), sep="\n")


def speed_ups(wall_times: dict[str, float]) -> list[str]:
    """Return the speed-up from a second worker for each engine, as text."""
    lines = []
    for engine, seconds in wall_times.items():
        kind, _, workers = engine.partition(":")
        if workers == "2" and f"{kind}:1" in wall_times:
            ratio = wall_times[f"{kind}:1"] / seconds
            lines.append(f"{kind}: 2 workers are {ratio:.2f} times as fast")
    return lines


def cpu_ratios(cpu_times: dict[str, float]) -> list[str]:
    """Return the CPU time of each engine relative to `processes` with as many workers, as text."""
    ratios = []
    for engine, seconds in cpu_times.items():
        reference = f"processes:{engine.partition(':')[2]}"
        if reference in cpu_times and engine != reference:
            ratios.append(f"{engine}: {seconds / cpu_times[reference]:.2f} times the CPU time")
    return ratios


def show_digests(reductions_by_engine: dict[str, list[Reduction]]) -> bool:
    """Print the digests, and return whether all engines agree."""
    runs = [
        (engine, reduction.digests)
        for engine, reductions in reductions_by_engine.items()
        for reduction in reductions
    ]
    agree = True
    for key in sorted(set().union(*(digests for _, digests in runs))):
        values = {digests.get(key, "missing") for _, digests in runs}
        print(*key, *values, sep="  ")
        if len(values) > 1:
            agree = False
            print("  DIFFERS:", *((engine, digests.get(key)) for engine, digests in runs))
    return agree


def main() -> None:
    """Time the same reduction with several engines, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engines", nargs="+", help="kind or kind:workers; default: all")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="path=value, as in skyred run")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    engines = arguments.engines or ["serial", "processes:1", "processes:2"]
    if not arguments.engines and importlib.util.find_spec("skyred_dask"):
        engines += ["dask:1", "dask:2"]
    reductions_by_engine: dict[str, list[Reduction]] = {engine: [] for engine in engines}
    for _ in range(arguments.repeats):
        for engine in engines:
            reduction = reduce(engine, arguments.set)
            reductions_by_engine[engine].append(reduction)
            print(f"{engine}: {reduction.seconds:.1f} s", file=sys.stderr)
    agree = show_digests(reductions_by_engine)
    show_times(reductions_by_engine)
    print("\nall engines agree" if agree else "\nengines DIFFER")
    sys.exit(not agree)


if __name__ == "__main__":
    main()
