"""Measure the memory of a stacked reduction of few and many runs, and of plain gammapy.

The four runs of the H.E.S.S. Crab are repeated with new ids, in an archive that is removed
afterwards (1 MB per run). Each row of the table is measured in a separate process::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/memory.py --runs 25 100 1000 --plain 25 100

The memory is the maximum resident set size of the process, and of the largest of its workers. The
program fails if the memory of skyred differs by more than `--limit` between the numbers of runs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import attrs
from engines import create_engine

ROOT = Path(__file__).resolve().parents[1]
NAME = "hess-dl3-dr1"
CRAB = (23523, 23526, 23559, 23592)
FIRST = 100_000
MB = 1024 if sys.platform != "darwin" else 1024**2  # in units of ru_maxrss: kB, bytes on macOS


@attrs.frozen
class Measurement:
    """The memory of a reduction in MB, and its time in seconds."""

    reducer: str
    runs: int
    parent: float
    worker: float
    seconds: float
    counts: float

    def markdown(self) -> str:
        worker = f"{self.worker:.0f}" if self.worker else ""
        return (
            f"| {self.reducer} | {self.runs} | {self.parent:.0f} | {worker} | {self.seconds:.0f} |"
        )


def repeat(source: Path, target: Path, number: int) -> None:
    """Write an archive of `number` runs, by repeating the four runs of the Crab with new ids."""
    from astropy.table import Table, vstack

    (target / "data").mkdir(parents=True)
    indices = {name: Table.read(source / f"{name}.fits.gz") for name in ("obs-index", "hdu-index")}
    rows: dict[str, list[Any]] = {name: [] for name in indices}
    for offset in range(number):
        old_id, new_id = CRAB[offset % len(CRAB)], FIRST + offset
        file_name = _write_run(source, target, old_id, new_id)
        for name, index in indices.items():
            row = index[index["OBS_ID"] == old_id]
            row["OBS_ID"] = new_id
            if name == "hdu-index":
                row["FILE_DIR"], row["FILE_NAME"] = "data", file_name
            rows[name].append(row)
    for name, parts in rows.items():
        table = vstack(parts, metadata_conflicts="silent")
        table.meta = indices[name].meta
        table.write(target / f"{name}.fits.gz")


def _write_run(source: Path, target: Path, old_id: int, new_id: int) -> str:
    """Copy a run uncompressed, with another id in its headers, and return the name of the file."""
    (path,) = source.glob(f"data/*{old_id:06d}.fits.gz")
    content = gzip.decompress(path.read_bytes())
    card = b"OBS_ID  = %20d"
    if not content.count(card % old_id):
        raise SystemExit(f"{path} has no OBS_ID {old_id} in its headers")
    name = path.name.replace(f"{old_id:06d}", f"{new_id:06d}").removesuffix(".gz")
    (target / "data" / name).write_bytes(content.replace(card % old_id, card % new_id))
    return name


def skyred_reduce(ids: tuple[int, ...], engine: str) -> float:
    """Reduce with skyred, and return the total counts."""
    from skyred import Orchestrator, Pipeline
    from skyred.components.gammapy import ObservationIds

    pipeline = Pipeline.from_yaml(ROOT / "examples" / "crab.yaml")
    entry = pipeline.data["hess"].evolve(select=[ObservationIds(ids=ids)])
    pipeline = pipeline.evolve(data={"hess": entry})
    orchestrator = Orchestrator(pipeline, engine=create_engine(engine), cache=False)
    return float(orchestrator.reduce()["hess"].counts.data.sum())


def plain_reduce(ids: tuple[int, ...]) -> float:
    """Reduce with the script of gammapy's tutorial, and return the total counts."""
    # the tests also use the plain gammapy scripts in this folder
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    import plain_gammapy

    return float(plain_gammapy.reduce(ids).counts.data.sum())


def measure_reduction(reducer: str, runs: int) -> Measurement:
    """Reduce in this process, and measure memory and time."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    ids = tuple(range(FIRST, FIRST + runs))
    start = time.perf_counter()
    counts = plain_reduce(ids) if reducer == "gammapy" else skyred_reduce(ids, reducer)
    seconds = time.perf_counter() - start
    parent, worker = (
        resource.getrusage(process).ru_maxrss / MB
        for process in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return Measurement(reducer, runs, parent, worker, seconds, counts)


def measure_in_subprocess(reducer: str, runs: int, data: Path) -> Measurement:
    """Reduce in a subprocess, and measure memory and time."""
    command = [sys.executable, __file__, "--here", reducer, "--runs", str(runs)]
    environment = {**os.environ, "GAMMAPY_DATA": str(data)}
    process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return Measurement(**json.loads(process.stdout.splitlines()[-1]))


def memory_growth(measurements: list[Measurement]) -> float:
    """Return the largest difference of the memory of skyred between numbers of runs, in MB."""
    growth = [0.0]
    for reducer in {measurement.reducer for measurement in measurements} - {"gammapy"}:
        selected = [item for item in measurements if item.reducer == reducer]
        for process in ("parent", "worker"):
            sizes = [getattr(measurement, process) for measurement in selected]
            growth.append(max(sizes) - min(sizes))
    return max(growth)


def main() -> None:
    """Print the peak memory of reductions with different numbers of runs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, nargs="*", default=[25, 100], help="numbers of runs")
    parser.add_argument(
        "--plain", type=int, nargs="*", default=[25], help="numbers of runs for plain gammapy"
    )
    parser.add_argument("--engines", nargs="+", default=["serial", "processes:2"])
    parser.add_argument("--limit", type=float, default=100, help="largest growth in MB")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(attrs.asdict(measure_reduction(arguments.here, arguments.runs[0]))))
        return
    cases = [(engine, runs) for engine in arguments.engines for runs in arguments.runs]
    cases += [("gammapy", runs) for runs in arguments.plain]
    with tempfile.TemporaryDirectory(prefix="skyred-memory-") as folder:
        source, max_runs = Path(os.environ["GAMMAPY_DATA"], NAME), max(runs for _, runs in cases)
        repeat(source, Path(folder, NAME), max_runs)
        print("| reduced by | runs | process, MB | largest worker, MB | time, s |")
        print("|---|---:|---:|---:|---:|", flush=True)
        measurements = []
        for reducer, runs in cases:
            measurements.append(measure_in_subprocess(reducer, runs, Path(folder)))
            print(measurements[-1].markdown(), flush=True)
    growth = memory_growth(measurements)
    print(f"\nthe memory of skyred grows by {growth:.0f} MB; limit: {arguments.limit:.0f} MB")
    if growth > arguments.limit:
        sys.exit(1)


if __name__ == "__main__":
    main()
