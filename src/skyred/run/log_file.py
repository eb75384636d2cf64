"""The log of a run: one JSON object a line."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class JsonLines(logging.Formatter):
    """Writes a log record as one line of JSON: time, level, logger, message, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class LogFile(logging.Handler):
    """Writes whole lines; those that a full disk refuses are tried again with the next.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("ab", buffering=0)
        self._waiting = b""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or keep it."""
        try:
            self._waiting += self.format(record).encode() + b"\n"
            self.flush()
        except OSError:
            return  # not for the terminal, line by line: it is raised at the end
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write what waits; raises `OSError` if the disk does not take it."""
        while self._waiting and not self._file.closed:
            self._waiting = self._waiting[self._file.write(self._waiting) or 0 :]

    def close(self) -> None:
        """Write what waits, and close the file; raises `OSError` if the disk does not take it."""
        try:
            self.flush()
        finally:
            self._waiting = b""
            self._file.close()
            super().close()


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Write skyred's and gammapy's log messages, and Python's warnings, to a file.

    Raises
    ------
    OSError
        If not all of it could be written.
    """
    handler = LogFile(path)
    handler.setFormatter(JsonLines())
    handler.setLevel(logging.INFO)
    loggers = [logging.getLogger(name) for name in ("skyred", "gammapy", "py.warnings")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)
    # capturing would silence warnings elsewhere, so they are copied on their way
    show, loggers[-1].propagate = warnings.showwarning, False
    warnings.showwarning = _copying(show)
    try:
        yield
    finally:
        warnings.showwarning, loggers[-1].propagate = show, True
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        handler.close()


def _copying(show: Any) -> Any:
    logger = logging.getLogger("py.warnings")

    def copying(message: Any, category: Any, filename: str, lineno: int, *rest: Any) -> None:
        logger.warning("%s: %s (%s:%d)", category.__name__, message, Path(filename).name, lineno)
        show(message, category, filename, lineno, *rest)

    return copying
