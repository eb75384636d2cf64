"""Requirements for engines: ordered results that can be changed, errors, processes that end."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import CancelledError, Executor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.io.streaming import LOST_TASK_ERRORS
from skyred.run.worker.identified_task import Caller, run_task
from skyred.testing.case import ComponentCase
from skyred.testing.requirement import NotChecked, RequirementViolated, require, requirement
from skyred.testing.steps import step

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMEOUT = 120.0  # s, for workers to stop; long enough for slow machines
_EXECUTOR = "Return a concurrent.futures.Executor from open(), or a subclass of it."


@requirement(
    "opens an executor that runs tasks and returns their results in order", "engine", fix=_EXECUTOR
)
def runs_tasks(case: ComponentCase) -> None:
    """Check the order of results with tasks of decreasing duration.

    Parameters
    ----------
    case : ComponentCase
        The engine to be checked.
    """
    with _open(case) as executor:
        require(isinstance(executor, Executor), f"open returns {type(executor).__name__}")
        futures = [executor.submit(slow_square, number) for number in range(4)]
        results = [future.result() for future in futures]
    require(results == [0, 1, 4, 9], f"the squares of 0 to 3 are returned as {results}")


@requirement(
    "propagates exceptions raised in tasks",
    "engine",
    fix="Store the exception in the future (set_exception): it is reported as the reason why the "
    "run failed.",
    old_names=("raises the error of a task",),
)
def propagates_exceptions(case: ComponentCase) -> None:
    """Check the type and message of the exception, and that other tasks still run.

    Parameters
    ----------
    case : ComponentCase
        The engine to be checked.
    """
    with _open(case) as executor:
        try:
            result = executor.submit(fail, "run 7 is broken").result()
        except ArithmeticError as error:
            require("run 7 is broken" in str(error), f"the message of the error is {error}")
        except Exception as error:  # any other exception that the engine raises instead
            raise RequirementViolated(
                f"an ArithmeticError became {type(error).__name__}: {error}"
            ) from error
        else:
            raise RequirementViolated(f"a task that fails returns {result!r}")
        still_works = executor.submit(slow_square, 3).result() == 9
        require(still_works, "it runs no more tasks after an error")


@requirement(
    "leaves no worker running",
    "engine",
    fix="End all processes in the executor's __exit__ (or shutdown), and wait for them.",
)
def ends_workers(case: ComponentCase) -> None:
    """Check that all workers end, even if the caller raises an exception.

    Parameters
    ----------
    case : ComponentCase
        The engine to be checked.
    """
    for fails in (False, True):
        pids = set[int]()
        with suppress(ArithmeticError), _open(case) as executor:
            futures = [executor.submit(worker_pid) for _ in range(4)]
            pids = {future.result() for future in futures} - {os.getpid()}
            if fails:
                raise ArithmeticError("the caller fails")
        deadline = time.monotonic() + TIMEOUT
        while any(map(_is_running, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        running = sorted(filter(_is_running, pids))
        event = "an exception in the caller" if fails else "the executor was closed"
        require(not running, f"after {event}, the processes {running} are still running")


@requirement(
    "defines the number of tasks that may run at once",
    "engine",
    fix="Set `slots` to an integer of at least 1: it determines how many tasks are submitted in "
    "advance.",
)
def has_positive_slots(case: ComponentCase) -> None:
    """Check that the number of slots is a positive integer.

    Parameters
    ----------
    case : ComponentCase
        The engine to be checked.
    """
    slots = case.component.slots
    require(isinstance(slots, int) and slots >= 1, f"slots is {slots!r}")


@requirement(
    "declares whether tasks run in this process",
    "engine",
    fix="Set `in_process` to False unless all tasks run in the process that opens the executor: "
    "the source code of other processes is compared with that of this one.",
)
def declares_process(case: ComponentCase) -> None:
    """Check that tasks run in this process if the engine says so.

    Parameters
    ----------
    case : ComponentCase
        The engine to be checked.
    """
    if not case.component.in_process:
        return
    with _open(case) as executor:
        pid = executor.submit(os.getpid).result()
    require(pid == os.getpid(), "in_process is True, but a task ran in another process")


@requirement(
    "returns results that can be changed",
    "engine",
    fix="Send results as bytes (pickle.dumps in the worker, pickle.loads in the main process), or "
    "copy the arrays: stacks are added in place.",
)
def returns_writable_arrays(case: ComponentCase) -> None:
    """Check that small and large arrays of a result are writable.

    Parameters
    ----------
    case : ComponentCase
        The engine to be checked.
    """
    with _open(case) as executor:
        arrays = executor.submit(create_arrays).result()
    sizes = [array.size for array in arrays if not array.flags.writeable]
    require(not sizes, f"arrays with {' and '.join(map(str, sizes))} numbers are read-only")


@requirement(
    "runs each task in a process of its own",
    "engine",
    fix="Use worker processes with one thread: gammapy and astropy are not thread-safe, because "
    "threads share filters of warnings, caches, and files that are read on demand.",
)
def runs_no_threads(case: ComponentCase) -> None:
    """Check that no thread of this process runs tasks, and no process several at the same time.

    Parameters
    ----------
    case : ComponentCase
        The engine to be checked.
    """
    caller = Caller.current()
    with _open(case) as executor:
        futures = [
            executor.submit(run_task, caller, number, time.sleep, 0.2) for number in range(4)
        ]
        results = [future.result() for future in futures]
    violations = {result.violation for result in results} - {""}
    require(not violations, f"it {' and '.join(sorted(violations))}")


@requirement(
    "reports a dead worker with a BrokenExecutor",
    "engine",
    fix="Set a concurrent.futures.BrokenExecutor as the exception of the futures whose worker died "
    "(BrokenProcessPool is one): their tasks are repeated with new workers.",
)
def reports_dead_worker(case: ComponentCase) -> None:
    """Check the exception of a task that kills its worker, and that a new executor works.

    Parameters
    ----------
    case : ComponentCase
        The engine to be checked.
    """
    if case.component.in_process:
        raise NotChecked("its tasks run in the main process")
    with _open(case) as executor:
        pid = executor.submit(os.getpid).result()
        if pid == os.getpid():
            raise NotChecked("its tasks run in the main process")
        future = executor.submit(end_process, os.getpid())
        try:
            error = future.exception(TIMEOUT)
        except (TimeoutError, CancelledError) as exception:
            error = exception
    event = (
        f"after {TIMEOUT:g} s, the future of its task is not finished"
        if isinstance(error, TimeoutError)
        else f"its task has the exception {type(error).__name__}: {error}"
    )
    require(isinstance(error, LOST_TASK_ERRORS), event)
    with _open(case) as executor:
        result = executor.submit(slow_square, 3).result()
    require(result == 9, "a new executor does not run tasks")


def create_arrays() -> list[NDArray[np.float64]]:
    """Return arrays of different sizes.

    Returns
    -------
    list of numpy.ndarray
        An array with 10 numbers and one with 1,000,000 numbers.
    """
    return [np.zeros(10), np.zeros(1_000_000)]


def end_process(main_process: int) -> None:
    """End the process that runs this function, as the system does if there is no memory.

    Parameters
    ----------
    main_process : int
        The process that must not end.
    """
    if os.getpid() != main_process:
        os._exit(1)


def slow_square(number: int) -> int:
    """Return the square of a number, after a delay that is longer for smaller numbers.

    Parameters
    ----------
    number : int
        A number from 0 to 3.

    Returns
    -------
    int
        The square.
    """
    time.sleep(0.05 * (3 - number))
    return number * number


def fail(message: str) -> None:
    """Raise an error, as a failing task does.

    Parameters
    ----------
    message : str
        The message of the error.

    Raises
    ------
    ArithmeticError
        Always.
    """
    raise ArithmeticError(message)


def worker_pid() -> int:
    """Return the identifier of the process that runs this function, after a short delay.

    Returns
    -------
    int
        The process identifier.
    """
    time.sleep(0.05)
    return os.getpid()


def _open(case: ComponentCase) -> Any:
    with step("opening its executor"):
        return case.component.open()


def _is_running(pid: int) -> bool:
    multiprocessing.active_children()  # joins processes that have ended
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
