"""The log file of a run: one JSON object per line."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class JsonLinesFormatter(logging.Formatter):
    """Format log records as JSON lines, with time, level, logger, message and traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a log record as JSON.

        Parameters
        ----------
        record : logging.LogRecord
            The log record.

        Returns
        -------
        str
            One line, without a newline at the end.
        """
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(line)


class LogFile(logging.Handler):
    """A log handler that appends lines to a file.

    Lines that cannot be written are kept in memory, and written with the next record.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file = path.open("a+b", buffering=0)
        self._buffer = b""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record, or keep it for the next attempt if it cannot be written.

        Parameters
        ----------
        record : logging.LogRecord
            The log record.
        """
        try:
            self._buffer += self.format(record).encode() + b"\n"
            self.flush()
        except OSError:
            return  # close() raises the error, if the lines still cannot be written
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write the lines that are still in memory.

        Raises
        ------
        OSError
            If the lines cannot be written.
        """
        while self._buffer and not self._file.closed:
            self._buffer = self._buffer[self._file.write(self._buffer) or 0 :]

    def close(self) -> None:
        """Write the lines that are still in memory, and close the file.

        Raises
        ------
        OSError
            If the lines cannot be written; the file is closed anyway.
        """
        try:
            self.flush()
            self._restore()
        finally:
            self._buffer = b""
            self._file.close()
            super().close()

    def _restore(self) -> None:
        """Write the file again if a plugin has removed or replaced it."""
        if self._file.closed:
            return
        if not (
            self._path.is_file()
            and os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        ):
            self._file.seek(0)
            self._path.unlink(missing_ok=True)
            self._path.write_bytes(self._file.read())


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Write log messages of skyred and gammapy (INFO and above) and Python warnings to a file.

    Inside the context, these loggers are set to INFO if their level is higher.

    Parameters
    ----------
    path : Path
        The log file; lines are appended.

    Raises
    ------
    OSError
        If some messages could not be written.
    """
    handler = LogFile(path)
    handler.setFormatter(JsonLinesFormatter())
    handler.setLevel(logging.INFO)
    loggers = [logging.getLogger(name) for name in ("skyred", "gammapy", "py.warnings")]
    previous_levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)
    # logging.captureWarnings would hide warnings; here they are shown and also logged
    original_showwarning, loggers[-1].propagate = warnings.showwarning, False
    warnings.showwarning = _show_and_log(original_showwarning)
    try:
        yield
    finally:
        warnings.showwarning, loggers[-1].propagate = original_showwarning, True
        for logger, previous_level in zip(loggers, previous_levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(previous_level)
        handler.close()


def _show_and_log(showwarning: Any) -> Any:
    logger = logging.getLogger("py.warnings")

    def show_and_log(message: Any, category: Any, filename: str, lineno: int, *args: Any) -> None:
        logger.warning("%s: %s (%s:%d)", category.__name__, message, Path(filename).name, lineno)
        showwarning(message, category, filename, lineno, *args)

    return show_and_log
