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
def capture_warnings(logger: str = "gammapy") -> Iterator[list[str]]:
    """Collect the warnings of a logger and of Python, without duplicates.

    The warnings are not shown as usual, because the output of workers is not visible.

    Parameters
    ----------
    logger : str
        The name of the logger.

    Yields
    ------
    list of str
        The warnings; complete once the context ends.
    """
    notes: list[str] = []
    collector, captured_logger = _Collector(notes), logging.getLogger(logger)
    propagate, captured_logger.propagate = captured_logger.propagate, False
    captured_logger.addHandler(collector)
    try:
        with warnings.catch_warnings(record=True) as python_warnings:
            warnings.simplefilter("default")
            yield notes
            notes += [
                f"{warning.category.__name__}: {warning.message}" for warning in python_warnings
            ]
    finally:
        captured_logger.removeHandler(collector)
        captured_logger.propagate = propagate
        notes[:] = dict.fromkeys(notes)


@contextmanager
def notice_warnings(logger: str = "gammapy") -> Iterator[list[str]]:
    """Collect the warnings of a logger and of Python, which are issued as usual.

    Parameters
    ----------
    logger : str
        The name of the logger.

    Yields
    ------
    list of str
        The warnings; complete once the context ends.
    """
    notes: list[str] = []
    collector, watched_logger = _Collector(notes), logging.getLogger(logger)
    watched_logger.addHandler(collector)
    try:
        with warnings.catch_warnings(record=True) as python_warnings:
            warnings.simplefilter("always")
            yield notes
    finally:
        watched_logger.removeHandler(collector)
    for warning in python_warnings:
        notes.append(str(warning.message))
        warnings.warn_explicit(
            warning.message, warning.category, warning.filename, warning.lineno, registry={}
        )
