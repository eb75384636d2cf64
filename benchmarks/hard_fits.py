"""Fits from random starts far off the minimum, of real and simulated data.

Every fit starts with fresh copies of datasets and models. The results are compared by gammapy's
own statistic, with the models assigned anew, with the lowest statistic known of each problem: of
all fits from all starts, of fits from the true or best-known values, of gammapy's own `Fit` on a
subset of the problems (``--gammapy``), and of earlier runs with the same cache::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/hard_fits.py --workers 2

Reduced and simulated datasets are cached on disk. The random starts depend on the name of the
problem and the number of the start only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs
from hard_fits_minima import Minima
from hard_fits_problem import default_cache, prepare
from hard_fits_report import HEADS, failures, markdown_table, message_counts, rows, show_table
from hard_fits_run import Job, Record, problems, quiet, run_job
from rich.console import Console

GAMMAPY_STARTS = 3
TABLE_HEADS = ("problem", "data and model", *HEADS)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", help="names, separated by commas; default: all")
    parser.add_argument("--starts", type=int, help="starts per problem; default: its own number")
    parser.add_argument("--first", type=int, default=0, help="number of the first start")
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    parser.add_argument("--gammapy", action="store_true", help="run gammapy's fit on its subset")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="directory")
    parser.add_argument("--json", type=Path, help="write the outcome of every fit here")
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    parser.add_argument("--list", action="store_true", help="list the problems and stop")
    return parser.parse_args()


def jobs_of(names: Iterable[str], arguments: argparse.Namespace) -> list[Job]:
    """Return the fits of a run: from the reference (number -1), and from random starts."""
    jobs = []
    for name in names:
        problem = problems()[name]
        starts = problem.starts if arguments.starts is None else arguments.starts
        numbers = range(arguments.first, arguments.first + starts)
        jobs += [Job(name, "skyred", number) for number in (-1, *numbers)]
        if arguments.gammapy and problem.gammapy:
            jobs += [Job(name, "gammapy", number) for number in (-1, *numbers[:GAMMAPY_STARTS])]
    return jobs


def work(item: tuple[Job, Path]) -> Record:
    quiet()
    job, cache = item
    return run_job(job, problems()[job.problem], cache)


def prepare_named(item: tuple[str, Path]) -> str:
    quiet()
    name, cache = item
    prepare(problems()[name], cache)
    return name


def outcomes(names: list[str], jobs: list[Job], arguments: argparse.Namespace) -> Iterator[Record]:
    """Prepare the problems, run the fits, and return the outcomes as they come."""
    cache = arguments.cache
    if arguments.workers < 2:
        for name in names:
            prepare_named((name, cache))
        yield from (work((job, cache)) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(arguments.workers) as pool:
        for _ in pool.imap_unordered(prepare_named, [(name, cache) for name in names]):
            pass
        yield from pool.imap_unordered(work, [(job, cache) for job in jobs])
        pool.close()
        pool.join()


def report(names: list[str], records: list[Record], lowest: dict[str, float], path: Path | None):
    """Print the tables, and write them as Markdown."""
    console = Console(width=150)
    chosen = {name: problems()[name] for name in names}
    texts = []
    for line in failures(records, lowest):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for fitter in ("skyred", "gammapy"):
        body = rows(chosen, records, lowest, fitter)
        if body:
            show_table(fitter, TABLE_HEADS, body, console)
            texts.append(f"### {fitter}\n\n{markdown_table(TABLE_HEADS, body)}\n")
    for line in message_counts(records):
        console.print(line, markup=False, highlight=False)
    if path is not None:
        path.write_text("\n".join(texts), encoding="utf-8")


def main() -> None:
    arguments = parse_arguments()
    quiet()
    names = arguments.problems.split(",") if arguments.problems else list(problems())
    unknown = sorted(set(names) - set(problems()))
    if unknown:
        raise SystemExit(f"no such problem: {', '.join(unknown)}; known: {', '.join(problems())}")
    if arguments.list:
        for name in names:
            print(f"{name:20} {problems()[name].title}")
        return
    jobs, records, started = jobs_of(names, arguments), list[Record](), time.monotonic()
    for record in outcomes(names, jobs, arguments):
        records.append(record)
        if sys.stderr.isatty():
            print(f"\r{len(records)}/{len(jobs)}", end="", file=sys.stderr, flush=True)
    print(f"{len(records)} fits in {time.monotonic() - started:.0f} s", file=sys.stderr)
    order = {job: place for place, job in enumerate(jobs)}
    records.sort(key=lambda record: order[record.job])
    lowest = Minima(arguments.cache).update(records)
    report(names, records, lowest, arguments.markdown)
    if arguments.json:
        text = json.dumps({"lowest": lowest, "fits": [attrs.asdict(r) for r in records]}, indent=1)
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
