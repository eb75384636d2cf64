"""Compare TS maps of skyred and gammapy: CPU time and results.

Each measurement starts with new copies of the same datasets. gammapy and skyred alternate in one
process, as in `likelihood.py`::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/ts_map.py --pairs 5 --json out.json

The results of gammapy are from ``TSMapEstimator``, with its default precision (1 % of a norm).
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u
from likelihood import AlternatingTimer, environment, prepare
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from gammapy.datasets import Datasets, MapDataset
    from gammapy.estimators import FluxMaps
    from likelihood_cases import Case

EVEN, ODD = (20282, 20302, 20322), (20283, 20301, 20323)


@attrs.frozen
class Job:
    """A TS map to estimate, with its data and options."""

    case: Case
    width: str
    columns: tuple[str, ...] = ()

    def estimate_with_gammapy(self, datasets: Datasets) -> FluxMaps:
        from gammapy.estimators import TSMapEstimator

        width, columns = u.Quantity(self.width), list(self.columns)
        return TSMapEstimator(kernel_width=width, selection_optional=columns).run(datasets)

    def estimate_with_skyred(self, datasets: Datasets) -> FluxMaps:
        from skyred.components.gammapy import TSMap

        return TSMap(kernel_width=self.width, columns=self.columns).estimate(datasets, None).maps

    def timer(self) -> AlternatingTimer:
        return AlternatingTimer(
            self.case, None, self.estimate_with_gammapy, self.estimate_with_skyred
        )


def create_case(name: str, title: str, create_maps: Callable[[], list[MapDataset]]) -> Case:
    from gammapy.modeling.models import Models
    from likelihood_cases import Case, copies

    return Case(name, title, lambda: copies(*create_maps()), Models, target=3)


@functools.cache
def msh(*runs: int) -> MapDataset:
    import plain_msh

    dataset = plain_msh.reduce(runs, width=4, bin_size=0.02).template
    return dataset.copy(name=f"msh-{runs[0]}")


def crab() -> Job:
    from likelihood_cases import crab_dataset

    title = "H.E.S.S. Crab, 100 x 100 pixels, 25 x 25 kernel"
    return Job(create_case("crab", title, lambda: [crab_dataset()]), "0.5 deg")


def crab_columns() -> Job:
    job = attrs.evolve(crab(), columns=("errn-errp", "ul", "sensitivity"))
    return attrs.evolve(job, case=attrs.evolve(job.case, name="crab_columns"))


def large() -> Job:
    title = "H.E.S.S. MSH 15-52, 200 x 200 pixels, 25 x 25 kernel"
    return Job(create_case("large", title, lambda: [msh(*EVEN, *ODD)]), "0.5 deg")


def wide() -> Job:
    title = "the same, 51 x 51 kernel"
    return Job(create_case("wide", title, lambda: [msh(*EVEN, *ODD)]), "1 deg")


def joint() -> Job:
    title = "the same in two datasets, joint"
    return Job(create_case("joint", title, lambda: [msh(*EVEN), msh(*ODD)]), "0.5 deg")


JOBS = (crab, crab_columns, large, wide, joint)


def differences(skyred_maps: FluxMaps, gammapy_maps: FluxMaps) -> dict[str, float]:
    """Return the largest differences of norms (in sigma), of sqrt(TS), and the TS deficit."""
    with np.errstate(all="ignore"):
        shift = np.abs(skyred_maps.norm.data - gammapy_maps.norm.data) / gammapy_maps.norm_err.data
    is_valid = gammapy_maps.success.data & np.isfinite(shift)
    sqrt_ts = np.abs(skyred_maps.sqrt_ts.data - gammapy_maps.sqrt_ts.data)
    return {
        "norm": float(shift[is_valid].max()),
        "sqrt_ts": float(sqrt_ts[is_valid].max()),
        "ts_less": float((gammapy_maps.ts.data - skyred_maps.ts.data)[is_valid].max()),
    }


def measure(job: Job, pairs: int) -> dict[str, Any]:
    timer = job.timer()
    outcome = {"title": job.case.title, "target": job.case.target, "pairs": pairs}
    outcome |= timer.run(pairs)
    return outcome | {"difference": differences(timer.results["skyred"], timer.results["plain"])}


def warm_up() -> None:
    """Estimate a small map, so that imports and first calls are not timed."""
    job = crab()
    dataset = job.case.create_datasets()[0]
    center = dataset.counts.geom.center_skydir
    small_map = dataset.cutout(center, width="0.2 deg", name="small")
    attrs.evolve(job, case=create_case("small", "", lambda: [small_map])).timer().run(1)


def show(outcomes: dict[str, dict[str, Any]], console: Console) -> None:
    """Print the times of the TS maps, their ratios, and the differences between them."""
    table = Table(title="CPU time, and ratio of gammapy to skyred", title_justify="left")
    heads = ("case", "gammapy [s]", "skyred [s]", "ratio", "range", "norm [sigma]", "sqrt(TS)")
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, times in outcomes.items():
        low, high = times["ratio_range"]
        table.add_row(
            name,
            f"{times['plain_ms'] / 1e3:.1f}",
            f"{times['skyred_ms'] / 1e3:.2f}",
            f"{times['ratio']:.1f}",
            f"{low:.1f} .. {high:.1f}",
            f"{times['difference']['norm']:.1e}",
            f"{times['difference']['sqrt_ts']:.1e}",
        )
    console.print(table)


def main() -> None:
    """Time TS maps with skyred and with gammapy, in pairs, and print the results."""
    prepare()
    jobs_by_name = {make.__name__: make for make in JOBS}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="pairs that are timed, at least 3")
    parser.add_argument(
        "--case", action="append", choices=jobs_by_name, help="name of a case; may be repeated"
    )
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    if arguments.pairs < 3:
        parser.error("at least 3 pairs are needed")
    warm_up()
    outcomes = {}
    for name in arguments.case or jobs_by_name:
        outcomes[name] = measure(jobs_by_name[name](), arguments.pairs)
        if arguments.json is not None:
            content = json.dumps({"environment": environment(), "cases": outcomes}, indent=1)
            arguments.json.write_text(content + "\n", encoding="utf-8")
    show(outcomes, Console(width=100))


if __name__ == "__main__":
    main()
