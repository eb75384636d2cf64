"""Captured warnings: the warnings that libraries issue during a task."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Collector(logging.Handler):
    def __init__(self, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        self.notes.append(record.getMessage())


@contextmanager
def capture_warnings(logger: str = "gammapy", *, is_shown: bool = False) -> Iterator[list[str]]:
    """Collect the warnings of a logger and of Python, without duplicates.

    Parameters
    ----------
    logger : str
        The name of the logger.
    is_shown : bool
        Whether the warnings are issued as usual too. They are not by default, because the output of
        workers is not visible.

    Yields
    ------
    list of str
        The warnings; complete once the context ends.
    """
    notes: list[str] = []
    collector, captured_logger = _Collector(notes), logging.getLogger(logger)
    propagate = captured_logger.propagate
    captured_logger.propagate = propagate and is_shown
    captured_logger.addHandler(collector)
    python_warnings: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as python_warnings:
            # repeated warnings are only needed if they are issued again
            warnings.simplefilter("always" if is_shown else "default")
            yield notes
    finally:
        captured_logger.removeHandler(collector)
        captured_logger.propagate = propagate
        notes += [f"{warning.category.__name__}: {warning.message}" for warning in python_warnings]
        notes[:] = dict.fromkeys(notes)
        for warning in python_warnings if is_shown else ():
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno, registry={}
            )
