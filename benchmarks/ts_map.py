"""What TS maps cost: skyred's beside gammapy's, and how they differ.

Both begin each time with new copies of the same datasets, in one process and in turns, as in
`likelihood.py`. CPU time is compared::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/ts_map.py --pairs 5 --json out.json

gammapy's side is what its users write: ``TSMapEstimator``, with its own precision (1 % of a norm).
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
from likelihood import Turns, prepare, surroundings
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from gammapy.datasets import Datasets, MapDataset
    from gammapy.estimators import FluxMaps
    from likelihood_cases import Case

EVEN, ODD = (20282, 20302, 20322), (20283, 20301, 20323)


@attrs.frozen
class Job:
    """A TS map, and what both make it with."""

    case: Case
    width: str
    columns: tuple[str, ...] = ()

    def plain(self, datasets: Datasets) -> FluxMaps:
        from gammapy.estimators import TSMapEstimator

        width, columns = u.Quantity(self.width), list(self.columns)
        return TSMapEstimator(kernel_width=width, selection_optional=columns).run(datasets)

    def ours(self, datasets: Datasets) -> FluxMaps:
        from skyred.components.gammapy import TSMap

        return TSMap(kernel_width=self.width, columns=self.columns).estimate(datasets, None).maps


def case(name: str, title: str, make: Callable[[], list[MapDataset]]) -> Case:
    from gammapy.modeling.models import Models
    from likelihood_cases import Case, copies

    return Case(name, title, bare=lambda: copies(*make()), start=Models, target=3)


@functools.cache
def msh(*runs: int) -> MapDataset:
    import plain_msh

    made = plain_msh.reduce(runs, width=4, bin_size=0.02).template
    return made.copy(name=f"msh-{runs[0]}")


def crab() -> Job:
    from likelihood_cases import crab_dataset

    title = "H.E.S.S. Crab, 100 x 100 pixels, 25 x 25 kernel"
    return Job(case("crab", title, lambda: [crab_dataset()]), "0.5 deg")


def crab_columns() -> Job:
    job = attrs.evolve(crab(), columns=("errn-errp", "ul", "sensitivity"))
    return attrs.evolve(job, case=attrs.evolve(job.case, name="crab_columns"))


def large() -> Job:
    title = "H.E.S.S. MSH 15-52, 200 x 200 pixels, 25 x 25 kernel"
    return Job(case("large", title, lambda: [msh(*EVEN, *ODD)]), "0.5 deg")


def wide() -> Job:
    title = "the same, 51 x 51 kernel"
    return Job(case("wide", title, lambda: [msh(*EVEN, *ODD)]), "1 deg")


def joint() -> Job:
    title = "the same in two datasets, joint"
    return Job(case("joint", title, lambda: [msh(*EVEN), msh(*ODD)]), "0.5 deg")


JOBS = (crab, crab_columns, large, wide, joint)


def differences(ours: FluxMaps, theirs: FluxMaps) -> dict[str, float]:
    """Give the largest differences of norms, in errors, and of the root of TS."""
    with np.errstate(all="ignore"):
        norm = np.abs(ours.norm.data - theirs.norm.data) / theirs.norm_err.data
    good = theirs.success.data & np.isfinite(norm)
    root = np.abs(ours.sqrt_ts.data - theirs.sqrt_ts.data)
    return {
        "norm": float(norm[good].max()),
        "sqrt_ts": float(root[good].max()),
        "ts_less": float((theirs.ts.data - ours.ts.data)[good].max()),
    }


def measure(job: Job, pairs: int) -> dict[str, Any]:
    turns = Turns(job.case, None, job.plain, job.ours)
    found = {"title": job.case.title, "target": job.case.target, "pairs": pairs}
    found |= turns.take(pairs)
    return found | {"difference": differences(turns.given["skyred"], turns.given["plain"])}


def warm_up() -> None:
    """Let both do a little, so that imports and first calls are not counted."""
    job = crab()
    few = job.case.bare()[0]
    few = few.cutout(few.counts.geom.center_skydir, width="0.2 deg", name="few")
    Turns(case("few", "", lambda: [few]), None, job.plain, job.ours).take(1)


def show(found: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table(title="CPU time, gammapy's over skyred's", title_justify="left")
    heads = ("case", "gammapy [s]", "skyred [s]", "ratio", "range", "norm [err]", "sqrt(TS)")
    for head in heads:
        table.add_column(head, justify="left" if head == "case" else "right")
    for name, times in found.items():
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
    prepare()
    known = {make.__name__: make for make in JOBS}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="pairs that are timed, at least 3")
    parser.add_argument("--case", action="append", choices=known, help="only this; may be repeated")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    if arguments.pairs < 3:
        parser.error("fewer than 3 pairs tell nothing")
    warm_up()
    found = {}
    for name in arguments.case or known:
        found[name] = measure(known[name](), arguments.pairs)
        if arguments.json is not None:
            text = json.dumps({"surroundings": surroundings(), "cases": found}, indent=1)
            arguments.json.write_text(text + "\n", encoding="utf-8")
    show(found, Console(width=100))


if __name__ == "__main__":
    main()
