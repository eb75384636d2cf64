"""Pulls: what the chain finds in simulated archives, against the truth that was put in.

For each seed an archive of the demonstration's Crab is simulated, reduced and fitted with the
pipeline of ``skyred demo``. A pull is (value - truth) / error: over many seeds its mean should be 0
and its width 1. A seed costs about ten seconds; those that the JSON file holds are not done again::

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
BIASED = 3.0  # errors of the mean


@attrs.frozen
class Chain:
    """The pipeline of the demonstration, on simulated archives, with some options changed."""

    changes: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """Say what the pulls depend on."""
        names = ("skyred", "gammapy", "numpy")
        return {"changes": list(self.changes), "versions": {n: version(n) for n in names}}


def fit_seed(seed: int, chain: Chain) -> dict[str, Any]:
    """Simulate the archive of a seed, run the chain on it, and give what it found."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    os.environ.setdefault(BLOCK, "progress")  # a bar for each seed is none for all
    from skyred import Orchestrator, Pipeline
    from skyred.components.simulation.archive import CrabSimulation

    text = files("skyred.cli").joinpath("demo.yaml").read_text(encoding="utf-8")
    with TemporaryDirectory() as folder:
        archive = CrabSimulation(seed=seed).write(Path(folder, "archive"))
        changes = [f"data.demo.archive={archive}", *chain.changes]
        pipeline = Pipeline.from_yaml(text, overrides=changes)
        orchestrator = Orchestrator(attrs.evolve(pipeline, estimate=()))
        result = orchestrator.fit()
    record = {"seed": seed, "success": result.success, "message": result.message}
    return record | {"parameters": parameters(orchestrator), "stat": result.stat}


def parameters(orchestrator: Any) -> dict[str, dict[str, float]]:
    """Give value, error and truth of each free parameter whose truth is known."""
    from skyred.components.simulation.truth import BACKGROUND_NORM, SOURCE, true_parameters

    truth = true_parameters()
    found = {
        each.name: {"value": each.value, "error": each.error, "truth": truth[each.name].value}
        for each in orchestrator.models[SOURCE].parameters.free_parameters
    }
    amplitude = found["amplitude"]
    found["log_amplitude"] = {
        "value": float(np.log(amplitude["value"])),
        "error": amplitude["error"] / amplitude["value"],
        "truth": float(np.log(amplitude["truth"])),
    }
    scale = maker_norm(orchestrator)
    norm = orchestrator.models["demo-bkg"].parameters["norm"]
    found["background"] = {
        "value": norm.value * scale,
        "error": norm.error * scale,
        "truth": BACKGROUND_NORM,
        "value_alone": norm.value,
    }
    return {name: {key: float(v) for key, v in each.items()} for name, each in found.items()}


def maker_norm(orchestrator: Any) -> float:
    """Give the norm that the maker put into the background before the fit, over all runs.

    The fit's own norm says what is still missing, judged by the same counts but for those in the
    exclusion: it is near 1 whatever the truth, with pulls much narrower than 1. What has a truth is
    the product. The runs are alike, so the mean of their norms stands for that of the stack.
    """
    return float(np.mean([outcome.background_norm for outcome in orchestrator.outcomes]))


def records(chain: Chain, seeds: range, workers: int, path: Path) -> Iterator[list[dict[str, Any]]]:
    """Give the records as they come, saved each time; those that are saved already come first."""
    settings = chain.settings()
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if known.get("settings", settings) != settings:
        raise SystemExit(f"{path} is of {known['settings']}, not {settings}; name another file")
    done = [record for record in known.get("records", []) if record["seed"] in seeds]
    yield done
    missing = sorted(set(seeds) - {record["seed"] for record in done})
    # spawned: a forked worker would inherit locks of libraries in whatever state they are
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        for future in as_completed([executor.submit(fit_seed, seed, chain) for seed in missing]):
            done = sorted([*done, future.result()], key=lambda record: record["seed"])
            save(path, {"settings": settings, "records": done})
            yield done


def save(path: Path, content: dict[str, Any]) -> None:
    """Replace a file at once, so that an interrupted run loses nothing."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def pulls(done: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Give the pulls of each parameter over the fits that converged."""
    good = [record["parameters"] for record in done if record["success"]]
    return {
        name: np.array([(p[name]["value"] - p[name]["truth"]) / p[name]["error"] for p in good])
        for name in LABELS
    }


@attrs.frozen
class Summary:
    """Mean, width and skewness of pulls, each with its error."""

    mean: float
    mean_error: float
    width: float
    width_error: float
    skewness: float
    skewness_error: float

    @classmethod
    def of(cls, values: np.ndarray) -> Summary:
        size, width = len(values), float(values.std(ddof=1))
        return cls(
            mean=float(values.mean()),
            mean_error=width / size**0.5,
            width=width,
            width_error=width / (2 * (size - 1)) ** 0.5,
            skewness=float((((values - values.mean()) / values.std()) ** 3).mean()),
            skewness_error=(6 / size) ** 0.5,
        )


def show(summaries: dict[str, Summary], done: list[dict[str, Any]]) -> None:
    failed = [record["seed"] for record in done if not record["success"]]
    table = Table(title=f"pulls of {len(done) - len(failed)} simulated archives")
    for head in ("parameter", "mean", "width", "skewness"):
        table.add_column(head, justify="left" if head == "parameter" else "right")
    for name, each in summaries.items():
        table.add_row(
            LABELS[name],
            f"{each.mean:+.3f} +- {each.mean_error:.3f}",
            f"{each.width:.3f} +- {each.width_error:.3f}",
            f"{each.skewness:+.2f} +- {each.skewness_error:.2f}",
        )
    console = Console()
    console.print(table)
    for name, each in summaries.items():
        if abs(each.mean) > BIASED * each.mean_error:
            console.print(f"{LABELS[name]}: the mean is off by more than {BIASED:g} of its errors")
    if failed:
        console.print(f"fits that did not converge, left out: seeds {failed}")


def draw(found: dict[str, np.ndarray], summaries: dict[str, Summary], path: Path) -> None:
    """Draw histograms of the pulls beside the unit Gaussian."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    edges = np.linspace(-4, 4, 21)
    fine = np.linspace(-4, 4, 200)
    for axes, (name, values) in zip(figure.subplots(2, 3).flat, found.items(), strict=True):
        shown = np.clip(values, edges[0], edges[-1])  # what lies beyond is in the outermost bins
        axes.hist(shown, bins=edges, color="tab:blue", alpha=0.6, label="simulated archives")
        expected = len(values) * (edges[1] - edges[0]) / np.sqrt(2 * np.pi) * np.exp(-(fine**2) / 2)
        axes.plot(fine, expected, color="black", label="unit Gaussian")
        each = summaries[name]
        axes.set_title(
            f"{LABELS[name]}\nmean {each.mean:+.2f} ± {each.mean_error:.2f}, "
            f"width {each.width:.2f} ± {each.width_error:.2f}",
            fontsize=10,
        )
        axes.set_xlabel("(fitted - true) / error")
        axes.set_ylabel("archives per bin")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=100, help="how many archives, at least 10")
    parser.add_argument("--first", type=int, default=1000, help="the first seed")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE",
        help="change an option of the pipeline, as in data.demo.geometry.energy_true.bins=20",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--json", type=Path, required=True, help="the records; resumed if there")
    parser.add_argument("--figure", type=Path, help="draw histograms into this file")
    arguments = parser.parse_args()
    if arguments.seeds < 10:
        parser.error("fewer than 10 archives tell nothing")
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    done: list[dict[str, Any]] = []
    chain = Chain(tuple(arguments.set))
    for done in records(chain, seeds, arguments.workers, arguments.json):
        print(f"{len(done)} of {len(seeds)} archives", end="\r", flush=True)
    found = pulls(done)
    summaries = {name: Summary.of(values) for name, values in found.items()}
    show(summaries, done)
    content = json.loads(arguments.json.read_text(encoding="utf-8"))
    summary = {name: attrs.asdict(each) for name, each in summaries.items()}
    save(arguments.json, content | {"summary": summary})
    if arguments.figure:
        draw(found, summaries, arguments.figure)


if __name__ == "__main__":
    main()
