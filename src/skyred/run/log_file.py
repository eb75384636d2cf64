"""Log files: that of a run, with one JSON object per line, and those of commands."""

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


class TextFormatter(logging.Formatter):
    """Format log records as text, with time (UTC), level, logger, message and traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a log record as text.

        Parameters
        ----------
        record : logging.LogRecord
            The log record.

        Returns
        -------
        str
            The line, and the lines of a traceback, without a newline at the end.
        """
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = f"{time} {record.levelname} {record.name}: {record.getMessage()}"
        if record.exc_info:
            line += "\n" + (record.exc_text or self.formatException(record.exc_info))
        return line


def create_formatter(path: Path) -> logging.Formatter:
    """Return the formatter of a log file: JSON lines for ``.jsonl``, text for other names.

    Parameters
    ----------
    path : Path
        The log file.

    Returns
    -------
    logging.Formatter
        The formatter.
    """
    return JsonLinesFormatter() if path.suffix == ".jsonl" else TextFormatter()


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
    handler.setFormatter(create_formatter(path))
    handler.setLevel(logging.INFO)
    loggers = [logging.getLogger(name) for name in ("skyred", "gammapy", "py.warnings")]
    previous_levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)
    try:
        with captured_warnings():
            yield
    finally:
        for logger, previous_level in zip(loggers, previous_levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(previous_level)
        handler.close()


@contextmanager
def captured_warnings() -> Iterator[None]:
    """Log Python warnings with the logger ``py.warnings``, and show them as usual.

    `logging.captureWarnings` would not show them. Contexts can be nested: each warning is logged
    once.

    Yields
    ------
    None
        The context.
    """
    original_show, logger = warnings.showwarning, logging.getLogger("py.warnings")
    original_propagate, logger.propagate = logger.propagate, False
    if not isinstance(original_show, LogWarnings):
        warnings.showwarning = LogWarnings(original_show)  # type: ignore[assignment]
    try:
        yield
    finally:
        warnings.showwarning, logger.propagate = original_show, original_propagate


class LogWarnings:
    """A replacement of `warnings.showwarning` that logs a warning before it is shown.

    Parameters
    ----------
    showwarning : callable
        The function that shows warnings.
    """

    def __init__(self, showwarning: Any) -> None:
        self._showwarning = showwarning

    def __call__(self, message: Any, category: Any, filename: str, lineno: int, *args: Any) -> None:
        """Log and show a warning.

        Parameters
        ----------
        message : Warning or str
            The warning.
        category : type
            Its class.
        filename : str
            The file that issued it.
        lineno : int
            The line that issued it.
        *args : object
            Other arguments of `warnings.showwarning`.
        """
        logging.getLogger("py.warnings").warning(
            "%s: %s (%s:%d)", category.__name__, message, Path(filename).name, lineno
        )
        self._showwarning(message, category, filename, lineno, *args)
