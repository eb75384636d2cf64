"""Tasks with a number and pickled results, for engines of plugins, which are checked in a run."""

from __future__ import annotations

import os
import pickle
import threading
import traceback
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs

from skyred.errors import SkyredError
from skyred.io.exact_pickle import dump_exactly

_PROCESS = (
    uuid.uuid4().hex
)  # differs on other machines, which may have processes of the same number
_RUNNING = threading.RLock()  # the same thread may run a pipeline in a task


@attrs.frozen
class Caller:
    """The process and the thread that submit tasks.

    Parameters
    ----------
    process : tuple of str and int
        A random identifier, which forked processes share, and the number of the process.
    thread : int
        The identifier of the thread.
    """

    process: tuple[str, int]
    thread: int

    @classmethod
    def current(cls) -> Caller:
        """Return the current process and thread.

        Returns
        -------
        Caller
            The process and the thread.
        """
        return cls((_PROCESS, os.getpid()), threading.get_ident())


@attrs.frozen
class TaskResult:
    """The result of a task.

    Parameters
    ----------
    number : int
        The number of the task.
    data : bytes
        The pickled value; b"" if it is in `value`.
    value : object
        The value, if it cannot be pickled, or if the task ran in the process of the caller.
    error : Exception, optional
        The error that the task raised.
    traceback : str
        The traceback of the error.
    violation : str
        The rule of engines that was violated, so that the task was not run.
    """

    number: int
    data: bytes = b""
    value: Any = None
    error: Exception | None = None
    traceback: str = ""
    violation: str = ""

    def get(self) -> Any:
        """Return the value of the task; its arrays can be changed.

        Returns
        -------
        object
            The value.
        """
        return pickle.loads(self.data) if self.data else self.value


def run_task(caller: Caller, number: int, work: Callable[..., Any], *arguments: Any) -> TaskResult:
    """Run a task, unless another task is running in the same process.

    The value is pickled here, because some engines return read-only arrays.

    Parameters
    ----------
    caller : Caller
        The process and the thread that submitted the task.
    number : int
        The number of the task.
    work : callable
        The function.
    *arguments : object
        The arguments of the function.

    Returns
    -------
    TaskResult
        The result.
    """
    current = Caller.current()
    if current.process == caller.process and current.thread != caller.thread:
        return TaskResult(number, violation="runs tasks in threads of the main process")
    if not _RUNNING.acquire(blocking=False):
        return TaskResult(number, violation="runs several tasks at the same time in one process")
    try:
        return _run(current == caller, number, work, *arguments)
    finally:
        _RUNNING.release()


def _run(is_local: bool, number: int, work: Callable[..., Any], *arguments: Any) -> TaskResult:
    try:
        value = work(*arguments)
    except (Exception, SystemExit) as error:
        return TaskResult(number, error=_picklable_error(error), traceback=traceback.format_exc())
    if is_local:
        return TaskResult(number, value=value)
    try:
        return TaskResult(number, dump_exactly(value))
    except Exception:  # the engine may be able to send it, such as a class of a notebook
        return TaskResult(number, value=value)


def _picklable_error(error: Exception | SystemExit) -> Exception:
    with suppress(Exception):  # a class may raise any error
        if isinstance(error, Exception) and type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    return SkyredError(f"{type(error).__name__}: {error}")
