"""A worker process that receives pickled function calls and returns their results.

It is not a `multiprocessing` worker, because such workers import the main program again, which may
be a script that calls `check` without an ``if __name__ == "__main__"`` guard.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any

import attrs

from skyred.testing.requirement import RequirementViolated

_PROGRAM = "from skyred.testing.subprocess_worker import serve; serve()"


@attrs.frozen
class RaisedError:
    """The exception raised by a call in the other process.

    Parameters
    ----------
    message : str
        The type and the message of the exception.
    trace : str
        The formatted traceback.
    """

    message: str
    trace: str


class Worker:
    """A process that executes calls one after the other; a call fails if the process is killed."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call an importable function in the process.

        Parameters
        ----------
        function : callable
            The function.
        *args : object
            The arguments, which must be picklable.

        Returns
        -------
        object
            The return value.

        Raises
        ------
        RequirementViolated
            If the call fails, or its arguments or its return value cannot be pickled or unpickled.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            pickle.dump(pickle.dumps((function, args)), stdin)
            stdin.flush()
            answer = pickle.loads(pickle.load(stdout))
        except (EOFError, BrokenPipeError) as error:
            raise RequirementViolated("it terminated the other process") from error
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            message = f"it cannot be sent to or from another process: {error}"
            raise RequirementViolated(message) from error
        if isinstance(answer, RaisedError):
            raise RequirementViolated(f"in another process: {answer.message}")
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def serve() -> None:
    """Execute calls until the input ends, with the output of the calls redirected to stderr."""
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request = pickle.load(calls)
        except EOFError:
            return
        pickle.dump(_answer(request), answers)
        answers.flush()


def _answer(request: bytes) -> bytes:
    try:
        function, args = pickle.loads(request)
        return pickle.dumps(function(*args))
    except Exception as error:  # a component may raise any exception; the caller gets it
        message = f"{type(error).__name__}: {error}"
        return pickle.dumps(RaisedError(message, traceback.format_exc()))


@cache
def shared_worker() -> Worker:
    """Return the worker process that is shared by all checks of this process.

    Returns
    -------
    Worker
        The same worker in each call.
    """
    worker = Worker()
    atexit.register(worker.close)
    return worker
