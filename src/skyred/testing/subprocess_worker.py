"""Another process, in which components are built and used: a pickled call in, its result out.

It is no `multiprocessing` worker: those import the caller's main program once more, and that may be
a script that calls `check` without a guard.
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

from skyred.testing.law import LawBroken

_HERE = "from skyred.testing.subprocess_worker import serve; serve()"


@attrs.frozen
class Raised:
    """What a call in the other process ended with."""

    text: str
    trace: str


class Worker:
    """A process that does one call after the other; a killed one is an error of the call."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _HERE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def call(self, work: Callable[..., Any], *given: Any) -> Any:
        """Do a call of an importable function there.

        Raises
        ------
        Broken
            If it fails there, or what it is given cannot be sent or loaded.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            pickle.dump(pickle.dumps((work, given)), stdin)
            stdin.flush()
            answer = pickle.loads(pickle.load(stdout))
        except (EOFError, BrokenPipeError) as error:
            raise LawBroken("the other process died of it") from error
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise LawBroken(f"it cannot be sent to another process: {error}") from error
        if isinstance(answer, Raised):
            raise LawBroken(f"in another process: {answer.text}")
        return answer

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def serve() -> None:
    """Do calls until there are no more; what they print goes to the error output."""
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            asked = pickle.load(calls)
        except EOFError:
            return
        pickle.dump(_answer(asked), answers)
        answers.flush()


def _answer(asked: bytes) -> bytes:
    try:
        work, given = pickle.loads(asked)
        return pickle.dumps(work(*given))
    except Exception as error:  # whatever a component raises is the answer
        text = f"{type(error).__name__}: {error}"
        return pickle.dumps(Raised(text, traceback.format_exc()))


@cache
def shared_worker() -> Worker:
    """Give the one worker of this process, in which components are used."""
    worker = Worker()
    atexit.register(worker.close)
    return worker
