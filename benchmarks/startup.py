"""Compare the CPU time of `skyred run examples/crab.yaml` with that of the imports it needs.

A first run, which is not timed, lists the modules that are imported. In each round, new processes
then run alternately, so that other load on the machine affects all of them equally: imports of the
modules of gammapy in the list, imports of skyred's modules and those of its main dependencies, runs
without and with cached observations, and commands that do not run an analysis. Imports of gammapy
are plain; those of skyred pause the garbage collector, as `skyred run` does until it has read the
configuration (the few modules that are imported later are paused here too). The CPU time is that of
the process, including its start and exit. Use one thread::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/startup.py --rounds 5 --json out.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

CONFIG = str(Path(__file__).resolve().parents[1] / "examples" / "crab.yaml")
TARGETS = {"imports of skyred": 1.1, "run": 1.8}  # ratios to the imports of gammapy
LIST_MODULES = """
import contextlib, sys
from skyred.cli import main
with contextlib.suppress(SystemExit):
    main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write("\\n".join(sys.modules))
"""
IMPORT_MODULES = """
import importlib, sys
for name in open(sys.argv[1]).read().split():
    importlib.import_module(name)
"""
IMPORT_SKYRED = f"""
from skyred.io.garbage_collection import pause_collection
with pause_collection():{IMPORT_MODULES.replace(chr(10), chr(10) + "    ")}
"""


def cpu_seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Return the CPU time of a Python process and of its child processes."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with exit code {process.returncode}:\n{errors}")
    return usage.ru_utime + usage.ru_stime


def list_modules(folder: Path, environment: dict[str, str]) -> tuple[Path, Path]:
    """Write the names of the modules that a run imports: those of gammapy, and all."""
    all_names, gammapy_names = folder / "all", folder / "gammapy"
    run = ["run", CONFIG, "-o", str(folder / "first"), "--cache", str(folder / "filled")]
    cpu_seconds(["-c", LIST_MODULES, str(all_names), *run], environment)
    names = [
        name
        for name in all_names.read_text(encoding="utf-8").split()
        if name.split(".")[0] in {"gammapy", "astropy", "regions", "matplotlib", "scipy"}
        or name.startswith("skyred")
    ]
    all_names.write_text("\n".join(names), encoding="utf-8")
    gammapy = [name for name in names if name.split(".")[0] == "gammapy"]
    gammapy_names.write_text("\n".join(gammapy), encoding="utf-8")
    return gammapy_names, all_names


def list_processes(folder: Path, gammapy_names: Path, all_names: Path) -> dict[str, list[str]]:
    """Return the arguments of the processes that are timed, by name."""
    command = ["-m", "skyred"]
    run = [*command, "run", CONFIG, "--overwrite", "-o", str(folder / "run"), "--cache"]
    return {
        "imports of gammapy": ["-c", IMPORT_MODULES, str(gammapy_names)],
        "imports of skyred": ["-c", IMPORT_SKYRED, str(all_names)],
        "run": [*run, str(folder / "empty")],
        "run, cached": [*run, str(folder / "filled")],
        "--version": [*command, "--version"],
        "--help": [*command, "--help"],
        "plugins": [*command, "plugins"],
        "check --no-data": [*command, "check", "--no-data", CONFIG],
    }


def measure(rounds: int, folder: Path) -> dict[str, list[float]]:
    """Time all processes alternately, after a run that also writes the bytecode of modules."""
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    processes = list_processes(folder, *list_modules(folder, environment))
    times: dict[str, list[float]] = {name: [] for name in processes}
    for _ in range(rounds):
        for name, arguments in processes.items():
            shutil.rmtree(folder / "empty", ignore_errors=True)
            times[name].append(cpu_seconds(arguments, environment))
    return times


def summary(times: dict[str, list[float]]) -> dict[str, Any]:
    """Return median times, and the quartiles of the ratios to the imports of gammapy."""
    reference = np.array(times["imports of gammapy"])
    return {
        "rounds": len(reference),
        "load": [round(load, 1) for load in os.getloadavg()],
        "processes": {
            name: {
                "median_s": float(np.median(seconds)),
                "ratio": [float(q) for q in np.percentile(seconds / reference, [25, 50, 75])],
                "all_s": seconds,
            }
            for name, seconds in times.items()
        },
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("skyred", "gammapy", "astropy", "numpy")},
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def show(results: dict[str, Any]) -> None:
    """Print the times of the processes, and their ratios to the imports of gammapy."""
    table = Table(title=f"CPU time, {results['rounds']} rounds, load {results['load']}")
    for name in ("process", "median", "ratio", "quartiles", "target"):
        table.add_column(name, justify="left" if name == "process" else "right")
    for name, row in results["processes"].items():
        low, ratio, high = row["ratio"]
        target = TARGETS.get(name)
        status = "" if target is None else f"{target} {'met' if ratio <= target else 'MISSED'}"
        quartiles = f"{low:.2f} to {high:.2f}"
        table.add_row(name, f"{row['median_s']:.2f} s", f"{ratio:.2f}", quartiles, status)
    Console(width=100).print(table)


def main() -> None:
    """Measure the CPU times, and print or save them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = summary(measure(arguments.rounds, Path(folder)))
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
