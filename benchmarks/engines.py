"""Check that all engines return identical results, and measure the speed-up from a second worker.

The four targets of `examples/targets.yaml` (60 runs) are reduced with each engine in turn, without
a cache. Digests of all stacked arrays are printed; the program fails if any of them depends on the
engine::

    GAMMAPY_DATA=... python benchmarks/engines.py --repeats 2

Times are wall-clock times including the start of the workers, and the shortest of all repeats is
reported. A second worker only helps if a second core is free, so the load before each run is
printed too.
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
    load : float
        Load of the machine before the reduction.
    """

    digests: dict[tuple[str, str], str]
    seconds: float
    load: float


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


def reduce(engine: str, overrides: list[str]) -> Reduction:
    """Reduce the targets with an engine."""
    from skyred import Orchestrator, Pipeline

    pipeline = Pipeline.from_yaml(EXAMPLE, overrides=overrides)
    orchestrator = Orchestrator(pipeline, engine=create_engine(engine), cache=False)
    orchestrator.select()
    load, start = os.getloadavg()[0], time.perf_counter()
    datasets = orchestrator.reduce()
    seconds = time.perf_counter() - start
    digests = {
        (dataset.name, name): digest(data) for dataset in datasets for name, data in arrays(dataset)
    }
    return Reduction(digests, seconds, load)


def show_times(reductions_by_engine: dict[str, list[Reduction]]) -> None:
    """Print the times of each engine, and the speed-up from a second worker."""
    print("\n| engine | best, s | all, s | load before |\n|---|---:|---|---|")
    best_times = {}
    for engine, reductions in reductions_by_engine.items():
        best_times[engine] = min(reduction.seconds for reduction in reductions)
        times, loads = (
            ", ".join(f"{getattr(reduction, name):.1f}" for reduction in reductions)
            for name in ("seconds", "load")
        )
        print(f"| {engine} | {best_times[engine]:.1f} | {times} | {loads} |")
    for engine, seconds in best_times.items():
        kind, _, workers = engine.partition(":")
        if workers == "2" and f"{kind}:1" in best_times:
            print(f"\n{kind}: 2 workers are {best_times[f'{kind}:1'] / seconds:.2f} times as fast")


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
