"""Compare the CPU time and the results of TS maps with gammapy's.

Both start each time with new copies of the same datasets, and alternate in one process, as in
`likelihood.py`::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/ts_map.py --pairs 5 --json out.json

gammapy's results are those of ``TSMapEstimator``, with its own precision (1 % of a norm).
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
    """TS map with its data and options."""

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

    dataset = plain_msh.reduce(runs, width=4, bin_size=0.02).template
    return dataset.copy(name=f"msh-{runs[0]}")


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
    """Return the largest differences of norms, in errors, and of sqrt(TS)."""
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
    turns = AlternatingTimer(job.case, None, job.plain, job.ours)
    outcome = {"title": job.case.title, "target": job.case.target, "pairs": pairs}
    outcome |= turns.run(pairs)
    return outcome | {"difference": differences(turns.results["skyred"], turns.results["plain"])}


def warm_up() -> None:
    """Run a small map with both, so that imports and first calls are not timed."""
    job = crab()
    few = job.case.bare()[0]
    few = few.cutout(few.counts.geom.center_skydir, width="0.2 deg", name="few")
    AlternatingTimer(case("few", "", lambda: [few]), None, job.plain, job.ours).run(1)


def show(outcomes: dict[str, dict[str, Any]], console: Console) -> None:
    table = Table(title="CPU time, gammapy's over skyred's", title_justify="left")
    heads = ("case", "gammapy [s]", "skyred [s]", "ratio", "range", "norm [err]", "sqrt(TS)")
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
