"""Measure the pulls of fits to simulated archives.

For each seed an archive of the Crab is simulated, reduced and fitted with the pipeline of ``skyred
demo``. A pull is (value - truth) / error. For many seeds, the mean of the pulls should be 0 and
their width 1. A seed takes about ten seconds; results in the JSON file are reused::

    OMP_NUM_THREADS=1 python benchmarks/pulls.py --seeds 100 --workers 2 \
        --json pulls.json --figure pulls.png
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import numpy as np
from rich.console import Console
from rich.table import Table

LABELS = {
    "index": "index",
    "amplitude": "amplitude",
    "log_amplitude": "log amplitude",
    "lon_0": "right ascension",
    "lat_0": "declination",
    "background": "background norm",
}
BLOCK = "SKYRED_BLOCK"
BIASED = 3.0  # deviation of a biased mean from 0, in units of its error


@attrs.frozen
class Demonstration:
    """The pipeline of the demonstration, with changed options."""

    changes: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """Return the options and versions that affect the pulls."""
        names = ("skyred", "gammapy", "numpy")
        return {"changes": list(self.changes), "versions": {name: version(name) for name in names}}


def fit_seed(seed: int, demonstration: Demonstration) -> dict[str, Any]:
    """Simulate the archive of a seed, and return the results of the fit."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    os.environ.setdefault(BLOCK, "progress")  # one progress bar per seed is not helpful
    from skyred import Orchestrator, Pipeline
    from skyred.components.simulation.archive import CrabSimulation

    content = files("skyred.cli").joinpath("demo.yaml").read_text(encoding="utf-8")
    with TemporaryDirectory() as folder:
        archive = CrabSimulation(seed=seed).write(Path(folder, "archive"))
        changes = [f"data.demo.archive={archive}", *demonstration.changes]
        pipeline = Pipeline.from_yaml(content, overrides=changes)
        orchestrator = Orchestrator(attrs.evolve(pipeline, estimate=()))
        result = orchestrator.fit()
    record = {"seed": seed, "success": result.success, "message": result.message}
    return record | {"parameters": parameters(orchestrator), "stat": result.stat}


def parameters(orchestrator: Any) -> dict[str, dict[str, float]]:
    """Return value, error and true value of the free parameters of source and background."""
    from skyred.components.simulation.truth import BACKGROUND_NORM, SOURCE, true_parameters

    truth = true_parameters()
    values_by_name = {
        parameter.name: {
            "value": parameter.value,
            "error": parameter.error,
            "truth": truth[parameter.name].value,
        }
        for parameter in orchestrator.models[SOURCE].parameters.free_parameters
    }
    amplitude = values_by_name["amplitude"]
    values_by_name["log_amplitude"] = {
        "value": float(np.log(amplitude["value"])),
        "error": amplitude["error"] / amplitude["value"],
        "truth": float(np.log(amplitude["truth"])),
    }
    scale = maker_norm(orchestrator)
    norm = orchestrator.models["demo-bkg"].parameters["norm"]
    values_by_name["background"] = {
        "value": norm.value * scale,
        "error": norm.error * scale,
        "truth": BACKGROUND_NORM,
        "value_alone": norm.value,
    }
    return {
        name: {key: float(value) for key, value in values.items()}
        for name, values in values_by_name.items()
    }


def maker_norm(orchestrator: Any) -> float:
    """Return the mean norm that the maker applied to the background before the fit.

    The norm in the fit is relative to this norm, and is determined by mostly the same counts. It is
    near 1 for any true norm, with pulls much narrower than 1. Therefore pulls are computed for the
    product of both norms. All runs are similar, so that the mean of their norms is a good estimate
    for the stack.
    """
    return float(np.mean([outcome.background_norm for outcome in orchestrator.outcomes]))


def run_seeds(
    demonstration: Demonstration, seeds: range, workers: int, path: Path
) -> Iterator[list[dict[str, Any]]]:
    """Fit the seeds that have no saved record; save and yield all records after each fit."""
    settings = demonstration.settings()
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if saved.get("settings", settings) != settings:
        raise SystemExit(
            f"{path} has settings {saved['settings']}, expected {settings}; use another file"
        )
    records = [record for record in saved.get("records", []) if record["seed"] in seeds]
    yield records
    missing_seeds = sorted(set(seeds) - {record["seed"] for record in records})
    # forked workers would inherit locks that other threads may hold
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        futures = [executor.submit(fit_seed, seed, demonstration) for seed in missing_seeds]
        for future in as_completed(futures):
            records = sorted([*records, future.result()], key=lambda record: record["seed"])
            save(path, {"settings": settings, "records": records})
            yield records


def save(path: Path, content: dict[str, Any]) -> None:
    """Replace a file atomically, so that an interrupted run does not corrupt it."""
    partial_file = path.with_name(f".{path.name}.part")
    partial_file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial_file.replace(path)


def compute_pulls(records: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Compute the pulls of each parameter in the fits that converged."""
    converged = [record["parameters"] for record in records if record["success"]]
    return {name: np.array([pull(values[name]) for values in converged]) for name in LABELS}


def pull(parameter: dict[str, float]) -> float:
    return (parameter["value"] - parameter["truth"]) / parameter["error"]


@attrs.frozen
class Summary:
    """Mean, width and skewness of pulls, with their errors."""

    mean: float
    mean_error: float
    width: float
    width_error: float
    skewness: float
    skewness_error: float

    @classmethod
    def from_pulls(cls, values: np.ndarray) -> Summary:
        size, width = len(values), float(values.std(ddof=1))
        return cls(
            mean=float(values.mean()),
            mean_error=width / size**0.5,
            width=width,
            width_error=width / (2 * (size - 1)) ** 0.5,
            skewness=float((((values - values.mean()) / values.std()) ** 3).mean()),
            skewness_error=(6 / size) ** 0.5,
        )


def show(summaries: dict[str, Summary], records: list[dict[str, Any]]) -> None:
    """Print the mean, width and skewness of the pulls of each parameter."""
    failed_seeds = [record["seed"] for record in records if not record["success"]]
    table = Table(title=f"pulls of {len(records) - len(failed_seeds)} simulated archives")
    for head in ("parameter", "mean", "width", "skewness"):
        table.add_column(head, justify="left" if head == "parameter" else "right")
    for name, summary in summaries.items():
        table.add_row(
            LABELS[name],
            f"{summary.mean:+.3f} +- {summary.mean_error:.3f}",
            f"{summary.width:.3f} +- {summary.width_error:.3f}",
            f"{summary.skewness:+.2f} +- {summary.skewness_error:.2f}",
        )
    console = Console()
    console.print(table)
    for name, summary in summaries.items():
        if abs(summary.mean) > BIASED * summary.mean_error:
            console.print(
                f"{LABELS[name]}: the mean differs from 0 by more than {BIASED:g} times its error"
            )
    if failed_seeds:
        console.print(f"excluded seeds, because their fits did not converge: {failed_seeds}")


def draw(pulls: dict[str, np.ndarray], summaries: dict[str, Summary], path: Path) -> None:
    """Draw histograms of the pulls, with unit Gaussians."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    edges = np.linspace(-4, 4, 21)
    x = np.linspace(-4, 4, 200)
    for axes, (name, values) in zip(figure.subplots(2, 3).flat, pulls.items(), strict=True):
        clipped = np.clip(values, edges[0], edges[-1])  # outliers are in the outermost bins
        axes.hist(clipped, bins=edges, color="tab:blue", alpha=0.6, label="simulated archives")
        expected = len(values) * (edges[1] - edges[0]) / np.sqrt(2 * np.pi) * np.exp(-(x**2) / 2)
        axes.plot(x, expected, color="black", label="unit Gaussian")
        summary = summaries[name]
        axes.set_title(
            f"{LABELS[name]}\nmean {summary.mean:+.2f} ± {summary.mean_error:.2f}, "
            f"width {summary.width:.2f} ± {summary.width_error:.2f}",
            fontsize=10,
        )
        axes.set_xlabel("(fitted - true) / error")
        axes.set_ylabel("archives per bin")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Simulate and fit archives, and print the distribution of the pulls."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=100, help="number of archives, at least 10")
    parser.add_argument("--first", type=int, default=1000, help="the first seed")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE",
        help="change an option of the pipeline, as in data.demo.geometry.energy_true.bins=20",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    parser.add_argument(
        "--json", type=Path, required=True, help="file for the records; existing records are reused"
    )
    parser.add_argument("--figure", type=Path, help="file for histograms of the pulls")
    arguments = parser.parse_args()
    if arguments.seeds < 10:
        parser.error("at least 10 archives are needed")
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    records: list[dict[str, Any]] = []
    demonstration = Demonstration(tuple(arguments.set))
    for records in run_seeds(demonstration, seeds, arguments.workers, arguments.json):
        print(f"{len(records)} of {len(seeds)} archives", end="\r", flush=True)
    pulls = compute_pulls(records)
    summaries = {name: Summary.from_pulls(values) for name, values in pulls.items()}
    show(summaries, records)
    content = json.loads(arguments.json.read_text(encoding="utf-8"))
    content["summary"] = {name: attrs.asdict(summary) for name, summary in summaries.items()}
    save(arguments.json, content)
    if arguments.figure:
        draw(pulls, summaries, arguments.figure)


if __name__ == "__main__":
    main()
