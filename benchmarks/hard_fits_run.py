"""Run single fits of the benchmark of hard fits, and record their outcomes."""

from __future__ import annotations

import functools
import gc
import logging
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import numpy as np
from gammapy.datasets import Datasets
from gammapy.modeling.models import Models
from hard_fits_problem import Problem, free_parameters, start

# helpers of the tests, which reduce some of the data
HELPERS = Path(__file__).resolve().parents[1] / "tests" / "helpers"
CPU_LIMIT = {"skyred": 120.0, "gammapy": 300.0}  # seconds per fit


@attrs.frozen
class Job:
    """A fit of a problem with a fitter, from the start with a number; -1 is the reference."""

    problem: str
    fitter: str
    number: int


@attrs.define
class Record:
    """The outcome of a fit.

    Parameters
    ----------
    job : Job
        The fit.
    success : bool
        Whether the fitter reports success; False after an exception.
    message : str
        Message of the fitter or of the exception.
    notes : list of str
        Notes in the result of skyred.
    stat : float
        The statistic that the fitter reports.
    fresh_stat : float
        gammapy's statistic at the result, with newly assigned models.
    names : list of str
        Names of the free parameters.
    values, errors : list of float
        Values and errors of the free parameters.
    nfev : int
        Number of calls of the objective.
    cpu : float
        CPU time of the fit in seconds.
    """

    job: Job
    success: bool = False
    message: str = ""
    notes: list[str] = attrs.field(factory=list)
    stat: float = np.nan
    fresh_stat: float = np.nan
    names: list[str] = attrs.field(factory=list)
    values: list[float] = attrs.field(factory=list)
    errors: list[float] = attrs.field(factory=list)
    nfev: int = 0
    cpu: float = np.nan


class CpuLimitError(Exception):
    """Raised if a fit takes more than the maximum CPU time."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise `CpuLimitError` if the context takes more than a number of seconds of CPU time."""

    def stop(*_: object) -> None:
        raise CpuLimitError(f"more than {seconds:g} s of CPU time")

    original_handler = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, original_handler)


def quiet() -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


def run_skyred(datasets: Datasets, record: Record) -> None:
    import skyred

    result = skyred.fit(datasets)
    record.success, record.message = bool(result.success), result.message
    record.notes, record.nfev, record.stat = list(result.notes), result.nfev, result.stat


def run_gammapy(datasets: Datasets, record: Record) -> None:
    from gammapy.modeling import Fit

    result = Fit().run(datasets)
    record.success = bool(result.success)
    record.message = str(result.optimize_result.message)
    record.nfev, record.stat = int(result.optimize_result.nfev), float(result.total_stat)


FITTERS: dict[str, Callable[[Datasets, Record], None]] = {
    "skyred": run_skyred,
    "gammapy": run_gammapy,
}


def starting_models(problem: Problem, number: int, cache: Path) -> Models:
    return problem.reference() if number < 0 else start(problem, number, cache)


def run_job(job: Job, problem: Problem, cache: Path) -> Record:
    """Fit new copies of the datasets and models of a problem.

    Parameters
    ----------
    job : Job
        The fit.
    problem : Problem
        The problem of the fit.
    cache : pathlib.Path
        Directory of the cache.

    Returns
    -------
    Record
        The outcome; an exception of the fitter is recorded as a message.
    """
    record = Record(job)
    datasets = problem.datasets(starting_models(problem, job.number, cache), cache)
    gc.collect()
    start_time = time.process_time()
    try:
        with cpu_limit(CPU_LIMIT[job.fitter]):
            FITTERS[job.fitter](datasets, record)
    except Exception as error:  # any exception of a fitter is recorded
        record.success, record.message = False, f"{type(error).__name__}: {error}"
    record.cpu = time.process_time() - start_time
    describe_result(record, datasets)
    record.fresh_stat = fresh_stat(problem, datasets.models, cache)
    return record


def describe_result(record: Record, datasets: Datasets) -> None:
    """Record names, values and errors of the free parameters."""
    parameters = free_parameters(datasets.models)
    model_names = {
        parameter: model.name for model in datasets.models for parameter in model.parameters
    }
    record.names = [f"{model_names[parameter]}.{parameter.name}" for parameter in parameters]
    record.values = [float(parameter.value) for parameter in parameters]
    record.errors = [float(parameter.error) for parameter in parameters]


def fresh_stat(problem: Problem, models: Models, cache: Path) -> float:
    """Return the statistic of gammapy for newly assigned models, with IRFs at their positions."""
    with np.errstate(all="ignore"):
        return float(problem.datasets(models, cache).stat_sum())


@functools.cache
def problems() -> dict[str, Problem]:
    """Return all problems by name."""
    sys.path.insert(0, str(HELPERS))
    import hard_fits_real
    import hard_fits_simulated
    import hard_fits_spectra

    modules = (hard_fits_real, hard_fits_spectra, hard_fits_simulated)
    all_problems = [problem for module in modules for problem in module.PROBLEMS]
    return {problem.name: problem for problem in all_problems}
