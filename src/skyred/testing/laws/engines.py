"""Laws of engines: work is done, in order, with its own errors, and nobody is left behind."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

from skyred.testing.case import ComponentCase
from skyred.testing.law import LawBroken, law, require

PATIENCE = 120.0  # seconds that workers get to end: against a hang, on a machine of any speed
_EXECUTOR = "Return a concurrent.futures.Executor from open(), or a subclass of it."


@law("opens an executor that does work, and gives it in order", "engine", mend=_EXECUTOR)
def works(case: ComponentCase) -> None:
    """Slow work first."""
    with _open(case) as executor:
        require(isinstance(executor, Executor), f"open gives {type(executor).__name__}")
        futures = [executor.submit(slow_square, number) for number in range(4)]
        found = [future.result() for future in futures]
    require(found == [0, 1, 4, 9], f"of the squares of 0 to 3 it gives {found}")


@law(
    "raises the error of the work",
    "engine",
    mend="Let the future hold the exception (set_exception): runs are told by their errors.",
)
def raises(case: ComponentCase) -> None:
    """By type and text, and goes on with other work."""
    with _open(case) as executor:
        try:
            given = executor.submit(fail, "run 7 is broken").result()
        except ArithmeticError as error:
            require("run 7 is broken" in str(error), f"the error's text is {error}")
        except Exception as error:  # whatever the engine makes of it
            raise LawBroken(f"an ArithmeticError became {type(error).__name__}: {error}") from error
        else:
            raise LawBroken(f"work that fails gives {given!r}")
        require(executor.submit(slow_square, 3).result() == 9, "it does no more work after that")


@law(
    "leaves no worker behind",
    "engine",
    mend="End what you started in the executor's __exit__ (or shutdown), and wait for it.",
)
def ends_workers(case: ComponentCase) -> None:
    """Also if the caller fails inside."""
    for fails in (False, True):
        pids = set[int]()
        with suppress(ArithmeticError), _open(case) as executor:
            futures = [executor.submit(who) for _ in range(4)]
            pids = {future.result() for future in futures} - {os.getpid()}
            if fails:
                raise ArithmeticError("the caller fails")
        until = time.monotonic() + PATIENCE
        while any(map(_lives, pids)) and time.monotonic() < until:
            time.sleep(0.05)
        left = sorted(filter(_lives, pids))
        require(not left, f"after {'an error' if fails else 'the end'}, {left} still run")


@law(
    "says how many pieces of work may run at once",
    "engine",
    mend="Let `slots` be a whole number, at least 1: so much work is sent ahead.",
)
def slots(case: ComponentCase) -> None:
    """A whole number, at least 1."""
    found = case.component.slots
    require(isinstance(found, int) and found >= 1, f"slots is {found!r}")


def slow_square(number: int) -> int:
    """Give the square; of small numbers late."""
    time.sleep(0.05 * (3 - number))
    return number * number


def fail(text: str) -> None:
    """Fail as work fails."""
    raise ArithmeticError(text)


def who() -> int:
    """Give the process that works."""
    time.sleep(0.05)
    return os.getpid()


def _open(case: ComponentCase) -> Any:
    return case.component.open()


def _lives(pid: int) -> bool:
    multiprocessing.active_children()  # takes note of those that have ended
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
