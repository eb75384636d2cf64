"""Measure time and memory of a stacked reduction for numbers of runs, engines and workers.

The four runs of the H.E.S.S. Crab are repeated with new ids, in an archive that is removed
afterwards (1 MB per run). Each row of the tables is measured in a separate process, without a
cache, including the run folder with its log and observation log::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/scale.py --runs 60 600 --map wide
    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/scale.py --engines serial gammapy

The map is that of `examples/crab.yaml` (`small`), or has a width of 5 deg with 20 reconstructed and
30 true energy bins (`wide`). CPU times are summed over the main process and its workers. The memory
is the maximum resident set size of the main process, and of the largest of its workers.

The program fails if the results of the engines differ, or if the memory of a process differs by
more than `--limit` between the numbers of runs.
"""

from __future__ import annotations

import argparse
import cProfile
import functools
import gzip
import hashlib
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from engines import arrays, cpu_seconds, create_engine, digest, speed_ups

ROOT = Path(__file__).resolve().parents[1]
NAME = "hess-dl3-dr1"
CRAB = (23523, 23526, 23559, 23592)
FIRST = 100_000
MB = 1024 if sys.platform != "darwin" else 1024**2  # in units of ru_maxrss: kB, bytes on macOS
GEOMETRY = "data.hess.geometry."
WIDE = (
    f"{GEOMETRY}width=[5 deg, 5 deg]",
    f"{GEOMETRY}energy={{min: 0.5 TeV, max: 20 TeV, bins: 20}}",
    f"{GEOMETRY}energy_true={{min: 0.3 TeV, max: 40 TeV, bins: 30}}",
)
MAPS: dict[str, tuple[str, ...]] = {"small": (), "wide": WIDE}
TIMES_HEADER = """
| engine | runs | wall, s | CPU, s | CPU per run, ms | main process CPU, s | share | \
main process, MB | largest worker, MB | load |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""
DEFAULT_ENGINES = ["processes:1", "processes:2", "dask:1", "dask:2"]


@attrs.frozen
class Measurement:
    """Time in seconds and memory in MB of a reduction.

    Parameters
    ----------
    engine : str
        The engine and its number of workers, `gammapy` for plain gammapy.
    runs : int
        The number of runs.
    wall, parent_cpu, workers_cpu : float
        The wall-clock time, and the CPU times of the main process and of its workers, without the
        imports of the main process.
    parts : dict of str to float
        CPU times of parts of the main process; the rest is the traffic with the workers.
    parent_memory, worker_memory : float
        The peak memory of the main process and of the largest worker.
    load : float
        The load of the machine at the start.
    digest : str
        The sha256 of all arrays of the stacked dataset.
    """

    engine: str
    runs: int
    wall: float
    parent_cpu: float
    workers_cpu: float
    parts: dict[str, float]
    parent_memory: float
    worker_memory: float
    load: float
    digest: str

    @property
    def cpu(self) -> float:
        """The CPU time of all processes."""
        return self.parent_cpu + self.workers_cpu

    def times_row(self) -> str:
        """Return the times as a row of a table."""
        return (
            f"| {self.engine} | {self.runs} | {self.wall:.1f} | {self.cpu:.1f} "
            f"| {1000 * self.cpu / self.runs:.0f} | {self.parent_cpu:.1f} "
            f"| {self.parent_cpu / self.cpu:.1%} | {self.parent_memory:.0f} "
            f"| {self.worker_memory:.0f} | {self.load:.1f} |"
        )

    def parts_row(self) -> str:
        """Return the parts of the main process, in ms per run, as a row of a table."""
        remainder = self.parent_cpu - sum(self.parts.values())
        times = " | ".join(
            f"{1000 * seconds / self.runs:.2f}" for seconds in (*self.parts.values(), remainder)
        )
        return f"| {self.engine} | {self.runs} | {times} |"


def repeat(source: Path, target: Path, number: int) -> None:
    """Write an archive of `number` runs, by repeating the four runs of the Crab with new ids."""
    from astropy.table import Table, vstack

    (target / "data").mkdir(parents=True)
    contents = {old_id: _read_run(source, old_id) for old_id in CRAB}
    numbers = range(number)
    for offset in numbers:
        _write_run(target, contents, CRAB[offset % len(CRAB)], FIRST + offset)
    for name in ("obs-index", "hdu-index"):
        index = Table.read(source / f"{name}.fits.gz")
        rows = {old_id: index[index["OBS_ID"] == old_id] for old_id in CRAB}
        repeated = [rows[CRAB[offset % len(CRAB)]] for offset in numbers]
        table = vstack(repeated, metadata_conflicts="silent")
        counts = [len(part) for part in repeated]
        new_ids = [FIRST + offset for offset in numbers for _ in range(counts[offset])]
        table["OBS_ID"] = new_ids
        if name == "hdu-index":
            table["FILE_DIR"] = "data"
            table["FILE_NAME"] = [f"{new_id}.fits" for new_id in new_ids]
        table.meta = index.meta
        table.write(target / f"{name}.fits.gz")


def _read_run(source: Path, obs_id: int) -> bytes:
    (path,) = source.glob(f"data/*{obs_id:06d}.fits.gz")
    return gzip.decompress(path.read_bytes())


def _write_run(target: Path, contents: dict[int, bytes], old_id: int, new_id: int) -> None:
    """Write a copy of a run, uncompressed, with another id in its headers."""
    card = b"OBS_ID  = %20d"
    if card % old_id not in contents[old_id]:
        raise SystemExit(f"run {old_id} has no OBS_ID in its headers")
    content = contents[old_id].replace(card % old_id, card % new_id)
    (target / "data" / f"{new_id}.fits").write_bytes(content)


def skyred_reduce(ids: tuple[int, ...], engine: str, map_name: str, folder: str) -> Any:
    """Reduce with skyred to a run folder, and return the stacked dataset."""
    from skyred import Orchestrator, Pipeline
    from skyred.components.gammapy import ObservationIds

    pipeline = Pipeline.from_yaml(ROOT / "examples" / "crab.yaml", overrides=MAPS[map_name])
    entry = pipeline.data["hess"].evolve(select=[ObservationIds(ids=ids)])
    pipeline = pipeline.evolve(data={"hess": entry})
    orchestrator = Orchestrator(pipeline, engine=create_engine(engine), cache=False)
    orchestrator.run(Path(folder, "run"), until="reduce")
    if any(outcome.status != "reduced" for outcome in orchestrator.outcomes):
        raise SystemExit("not all runs were reduced")
    return orchestrator.datasets["hess"]


def plain_reduce(ids: tuple[int, ...]) -> Any:
    """Reduce with the script of gammapy's tutorial, and return the stacked dataset."""
    # the tests also use the plain gammapy scripts in this folder
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    import plain_gammapy

    return plain_gammapy.reduce(ids)


def time_parts() -> dict[str, float]:
    """Time the parts of the main process from now on, by their names."""
    from skyred.run import publish, reduce, steps

    functions = {
        "selection": (steps, "select"),
        "checksums": (reduce, "compute_checksums"),
        "merging, log": (reduce._EntryReduction, "add"),
        "run folder": (publish.RunFolder, "publish"),
    }
    seconds = dict.fromkeys(functions, 0.0)
    for part, (owner, name) in functions.items():
        setattr(owner, name, _timed(vars(owner)[name], part, seconds))
    return seconds


def _timed(function: Callable[..., Any], part: str, seconds: dict[str, float]) -> Any:
    @functools.wraps(function)
    def timed_function(*arguments: Any, **options: Any) -> Any:
        start = time.thread_time()  # other threads receive results at the same time
        try:
            return function(*arguments, **options)
        finally:
            seconds[part] += time.thread_time() - start

    return timed_function


def measure_reduction(arguments: argparse.Namespace) -> Measurement:
    """Reduce in this process, and measure time and memory."""
    import gammapy.datasets
    import gammapy.makers  # noqa: F401  # the time of imports is not measured

    import skyred  # noqa: F401

    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    (runs,), engine = arguments.runs, arguments.here
    ids, parts, load = tuple(range(FIRST, FIRST + runs)), time_parts(), os.getloadavg()[0]
    start, parent, workers = time.perf_counter(), *cpu_seconds()
    profile = cProfile.Profile()
    if arguments.profile:
        profile.enable()
    if engine == "gammapy":
        dataset = plain_reduce(ids)
    else:
        with tempfile.TemporaryDirectory() as folder:
            dataset = skyred_reduce(ids, engine, arguments.map, folder)
    wall, (parent_end, workers_end) = time.perf_counter() - start, cpu_seconds()
    if arguments.profile:
        profile.disable()
        profile.dump_stats(f"{arguments.profile}-{engine.replace(':', '-')}-{runs}.prof")
    digests = "".join(digest(data) for _, data in arrays(dataset))
    parent_memory, worker_memory = (
        resource.getrusage(process).ru_maxrss / MB
        for process in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return Measurement(
        engine=engine,
        runs=runs,
        wall=wall,
        parent_cpu=parent_end - parent,
        workers_cpu=workers_end - workers,
        parts=parts,
        parent_memory=parent_memory,
        worker_memory=worker_memory,
        load=load,
        digest=hashlib.sha256(digests.encode()).hexdigest(),
    )


def measure_in_subprocess(
    engine: str, runs: int, data: Path, options: argparse.Namespace
) -> Measurement:
    """Reduce in a subprocess, and measure time and memory."""
    command = [sys.executable, __file__, "--here", engine, "--runs", str(runs)]
    command += ["--map", options.map, "--profile", options.profile]
    environment = {**os.environ, "GAMMAPY_DATA": str(data)}
    process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return Measurement(**json.loads(process.stdout.splitlines()[-1]))


def memory_growth(measurements: list[Measurement]) -> float:
    """Return the largest difference of the memory of skyred between numbers of runs, in MB."""
    growth = [0.0]
    for engine in {measurement.engine for measurement in measurements} - {"gammapy"}:
        selected = [item for item in measurements if item.engine == engine]
        for process in ("parent_memory", "worker_memory"):
            sizes = [getattr(measurement, process) for measurement in selected]
            growth.append(max(sizes) - min(sizes))
    return max(growth)


def report(measurements: list[Measurement]) -> bool:
    """Print the parts of the main process and the speed-ups; return whether the results agree."""
    columns = ["engine", "runs", *measurements[0].parts, "rest"]
    print(f"\nmain process, ms of CPU time per run:\n| {' | '.join(columns)} |")
    print("|---|" + "---:|" * (len(columns) - 1))
    agree = True
    for measurement in measurements:
        print(measurement.parts_row())
    for runs in sorted({measurement.runs for measurement in measurements}):
        selected = [item for item in measurements if item.runs == runs]
        for line in speed_ups({item.engine: item.wall for item in selected}):
            print(f"{runs} runs: {line}")
        digests = {item.digest for item in selected if item.engine != "gammapy"}
        if len(digests) > 1:
            agree = False
            print(f"{runs} runs: the results of the engines DIFFER")
    return agree


def main() -> None:
    """Print the times and the peak memory of reductions with different numbers of runs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[600], help="numbers of runs")
    parser.add_argument("--engines", nargs="+", default=DEFAULT_ENGINES)
    parser.add_argument("--map", choices=MAPS, default="wide", help="the map of skyred")
    parser.add_argument("--limit", type=float, default=100, help="largest growth in MB")
    parser.add_argument("--profile", default="", help="prefix of files for profiles of the parent")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(attrs.asdict(measure_reduction(arguments))))
        return
    with tempfile.TemporaryDirectory(prefix="skyred-scale-") as folder:
        source = Path(os.environ["GAMMAPY_DATA"], NAME)
        repeat(source, Path(folder, NAME), max(arguments.runs))
        print(TIMES_HEADER, flush=True)
        measurements = []
        for engine, runs in ((name, runs) for runs in arguments.runs for name in arguments.engines):
            measurements.append(measure_in_subprocess(engine, runs, Path(folder), arguments))
            print(measurements[-1].times_row(), flush=True)
    agree, growth = report(measurements), memory_growth(measurements)
    print(f"\nthe memory of skyred grows by {growth:.0f} MB; limit: {arguments.limit:.0f} MB")
    sys.exit(not agree or growth > arguments.limit)


if __name__ == "__main__":
    main()
