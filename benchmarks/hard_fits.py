"""Fit real and simulated data from random starts, near and far from the minimum.

Every fit starts with new copies of datasets and models. The statistic of gammapy at each result,
with newly assigned models, is compared with the lowest known statistic of the problem. That is the
lowest of all fits from all starts, of fits from the true or best known values, of gammapy's `Fit`
for a subset of the problems (``--gammapy``), and of earlier runs with the same cache::

    OMP_NUM_THREADS=1 GAMMAPY_DATA=... python benchmarks/hard_fits.py --workers 2

Reduced and simulated datasets are cached on disk. The random starts depend only on the name of the
problem and the number of the start. ``--errors`` compares the errors at the lowest minimum of each
problem with likelihood profiles.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from hard_fits_errors import ErrorJob, ErrorRecord, error_jobs, run_error_job
from hard_fits_minima import Minima
from hard_fits_problem import default_cache, prepare
from hard_fits_report import Report
from hard_fits_run import Job, Record, problems, quiet, run_job

GAMMAPY_STARTS = 3


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", help="names, separated by commas; default: all")
    parser.add_argument("--starts", type=int, help="starts per problem; default: its own number")
    parser.add_argument("--first", type=int, default=0, help="number of the first start")
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    parser.add_argument(
        "--gammapy", action="store_true", help="also fit a subset of the problems with gammapy"
    )
    parser.add_argument("--errors", action="store_true", help="compare errors with profiles")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="directory")
    parser.add_argument("--json", type=Path, help="file for the outcome of every fit")
    parser.add_argument("--markdown", type=Path, help="file for the tables")
    parser.add_argument("--list", action="store_true", help="list the problems and stop")
    return parser.parse_args()


def create_jobs(names: Iterable[str], arguments: argparse.Namespace) -> list[Job]:
    """Create the jobs of a run: fits from the reference (number -1) and from random starts."""
    jobs = []
    for name in names:
        problem = problems()[name]
        starts = problem.starts if arguments.starts is None else arguments.starts
        numbers = range(arguments.first, arguments.first + starts)
        jobs += [Job(name, "skyred", number) for number in (-1, *numbers)]
        if arguments.gammapy and problem.gammapy:
            jobs += [Job(name, "gammapy", number) for number in (-1, *numbers[:GAMMAPY_STARTS])]
    return jobs


def run(job: Job | ErrorJob, cache: Path) -> Record | ErrorRecord:
    """Run a fit, or check an error."""
    problem = problems()[job.problem]
    if isinstance(job, ErrorJob):
        return run_error_job(job, problem, cache)
    return run_job(job, problem, cache)


def prepare_problem(name: str, cache: Path) -> None:
    prepare(problems()[name], cache)


@contextmanager
def executor(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Yield `map`, or a parallel version of it that returns results in any order."""
    if workers < 2:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(workers, initializer=quiet) as pool:
        yield pool.imap_unordered
        pool.close()
        pool.join()


def run_all(
    mapping: Callable[..., Iterator[Any]], jobs: list[Job] | list[ErrorJob], cache: Path, title: str
) -> list[Any]:
    """Run jobs, and return their records in the order of the jobs."""
    start, records = time.monotonic(), []
    for record in mapping(functools.partial(run, cache=cache), jobs):
        records.append(record)
        if sys.stderr.isatty():
            print(f"\r{len(records)}/{len(jobs)}", end="", file=sys.stderr, flush=True)
    print(f"{len(records)} {title} in {time.monotonic() - start:.0f} s", file=sys.stderr)
    order = {job: index for index, job in enumerate(jobs)}
    return sorted(records, key=lambda record: order[record.job])


def select_names(arguments: argparse.Namespace) -> list[str]:
    names = arguments.problems.split(",") if arguments.problems else list(problems())
    unknown = sorted(set(names) - set(problems()))
    if unknown:
        raise SystemExit(
            f"no such problem: {', '.join(unknown)}; available: {', '.join(problems())}"
        )
    return names


def write_json(
    path: Path, lowest: dict[str, float], fits: list[Record], errors: list[ErrorRecord]
) -> None:
    content = {
        "lowest": lowest,
        "fits": [attrs.asdict(record) for record in fits],
        "errors": [attrs.asdict(record) for record in errors],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Fit the problems from all starts, and print or save the results."""
    arguments = parse_arguments()
    quiet()
    names, cache = select_names(arguments), arguments.cache
    if arguments.list:
        for name in names:
            print(f"{name:20} {problems()[name].title}")
        return
    errors: list[ErrorRecord] = []
    with executor(arguments.workers) as mapping:
        for _ in mapping(functools.partial(prepare_problem, cache=cache), names):
            pass
        fits = run_all(mapping, create_jobs(names, arguments), cache, "fits")
        lowest = Minima(cache).update(fits)
        if arguments.errors:
            jobs = [job for name in names for job in error_jobs(name, problems()[name])]
            errors = run_all(mapping, jobs, cache, "profiles")
    report = Report({name: problems()[name] for name in names}, fits, lowest, errors)
    report.show()
    if arguments.markdown:
        arguments.markdown.write_text(report.markdown(), encoding="utf-8")
    if arguments.json:
        write_json(arguments.json, lowest, fits, errors)


if __name__ == "__main__":
    main()
