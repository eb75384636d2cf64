"""The options for the log of commands, such as `--log-file`, and the log on the console."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TextIO

import click

from skyred.errors import OutputError, SkyredWarning

LEVELS = ("debug", "info", "warning", "error", "critical")
LOGGERS = ("skyred", "gammapy")


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """A log handler that writes to the current standard error."""

    def __init__(self) -> None:
        super().__init__()
        self.setLevel(logging.WARNING)
        self.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record to standard error.

        Parameters
        ----------
        record : logging.LogRecord
            The log record.
        """
        self.stream = sys.stderr  # it may have been replaced since the handler was created
        super().emit(record)


@contextmanager
def log_to_console() -> Iterator[None]:
    """Print warnings and errors of all loggers to standard error inside the context.

    Nothing is added if the program that calls skyred has configured logging.

    Yields
    ------
    None
        The context.
    """
    # the level is that of the handler: a run lowers the levels of its loggers for its log file
    root = logging.getLogger()
    handlers = [] if root.handlers else [ConsoleHandler()]
    original_format, warnings.formatwarning = warnings.formatwarning, format_warning
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        warnings.formatwarning = original_format
        for handler in handlers:
            root.removeHandler(handler)


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: object = None
) -> str:
    """Format warnings of skyred without file name and line number, unlike other warnings.

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
    line : object
        The source code, which is not shown.

    Returns
    -------
    str
        The lines to print.
    """
    if issubclass(category, SkyredWarning):
        return f"WARNING: {message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


_OPTIONS = (
    click.option(
        "--log-level",
        type=click.Choice(LEVELS, case_sensitive=False),
        help="Lowest level of log messages, on the console and in the log file; by default "
        "warning on the console, info in the log file.",
    ),
    click.option(
        "--log-file",
        type=click.Path(path_type=Path),
        help="File for log messages, replaced if it exists; JSON lines if its name ends in .jsonl.",
    ),
    click.option("--log-append", is_flag=True, help="Append to the log file."),
    click.option("-q", "--quiet", is_flag=True, help="Show only errors on the console."),
)
_VERBOSE = click.option(
    "-v", "--verbose", is_flag=True, help="Show log messages of level info on the console."
)


def log_options(*, verbose: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds the log options to a command.

    The log is configured while the command runs, before it reads anything.

    Parameters
    ----------
    verbose : bool
        Whether to add ``-v``; False for commands with their own option of this name.

    Returns
    -------
    callable
        The decorator, for the function of a click command.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run_with_log(
            *args: Any,
            log_level: str | None,
            log_file: Path | None,
            log_append: bool,
            quiet: bool,
            **options: Any,
        ) -> Any:
            is_verbose = verbose and options.pop("verbose")
            if is_verbose and quiet:
                raise click.UsageError("-v and -q contradict each other: use only one of them")
            if log_append and log_file is None:
                raise click.UsageError("--log-append has no effect without --log-file")
            threshold = logging.getLevelNamesMapping()[log_level.upper()] if log_level else None
            console_level = logging.INFO if is_verbose else logging.ERROR if quiet else threshold
            with ExitStack() as contexts:
                if log_file is not None:
                    check_log_file(log_file, options)
                    contexts.enter_context(
                        write_log(log_file, threshold or logging.INFO, log_append)
                    )
                contexts.enter_context(_console_level(console_level or logging.WARNING))
                return function(*args, **options)

        for option in (*_OPTIONS, *([_VERBOSE] if verbose else [])):
            run_with_log = option(run_with_log)
        return run_with_log

    return decorate


def check_log_file(path: Path, options: Mapping[str, Any]) -> None:
    """Check that a log file is neither an input of the command nor in its run folder.

    Parameters
    ----------
    path : Path
        The log file.
    options : mapping of str to object
        The options and arguments of the command.

    Raises
    ------
    OutputError
        If the log would damage another file.
    """
    target = path.resolve()
    file, output = options.get("file"), options.get("output")
    for value in options.values():
        inputs = value if isinstance(value, tuple) else (value,)
        if any(isinstance(item, Path) and item.resolve() == target for item in inputs):
            raise OutputError(f"the log file {path} is another file of the command: choose another")
    folder = Path(file.stem) if output is None and isinstance(file, Path) else output
    if "overwrite" in options and folder is not None and target.is_relative_to(folder.resolve()):
        raise OutputError(
            f"the log file {path} is in the run folder {folder}, which has its own log.jsonl: "
            "choose a file elsewhere"
        )


@contextmanager
def write_log(path: Path, threshold: int, append: bool) -> Iterator[None]:
    """Write log messages, Python warnings and the error that ends the context to a file.

    Parameters
    ----------
    path : Path
        The log file.
    threshold : int
        The lowest level of messages.
    append : bool
        Whether to append to an existing file, instead of replacing it.

    Yields
    ------
    None
        The context.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from skyred.run.log_file import LogFile, captured_warnings, create_formatter

    if path.exists() and not path.is_file():
        raise OutputError(f"the log file {path} is not a regular file: choose another file")
    try:
        if not append:
            path.write_bytes(b"")
        handler = LogFile(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"the log file {path} cannot be written: {reason}") from error
    handler.setFormatter(create_formatter(path))
    handler.setLevel(threshold)
    loggers = [logging.getLogger(), logging.getLogger("py.warnings")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        with captured_warnings(), _lowered_levels(threshold):
            try:
                yield
            except Exception as error:
                record = logging.LogRecord(
                    "skyred.cli", logging.ERROR, "", 0, f"{error}", None, None
                )
                handler.handle(record)
                raise
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


@contextmanager
def _console_level(threshold: int) -> Iterator[None]:
    """Set the level of the console; above the level warning, Python warnings are not shown."""
    handlers = [item for item in logging.getLogger().handlers if isinstance(item, ConsoleHandler)]
    previous_levels = [handler.level for handler in handlers]
    original_show = warnings.showwarning
    for handler in handlers:
        handler.setLevel(threshold)
    if threshold > logging.WARNING:
        from skyred.run.log_file import LogWarnings

        is_logged = isinstance(original_show, LogWarnings)
        warnings.showwarning = (
            LogWarnings(_ignore_warning) if is_logged else _ignore_warning  # type: ignore[assignment]
        )
    try:
        with _lowered_levels(threshold):
            yield
    finally:
        warnings.showwarning = original_show
        for handler, previous_level in zip(handlers, previous_levels, strict=True):
            handler.setLevel(previous_level)


def _ignore_warning(*args: Any, **kwargs: Any) -> None:
    """Do not show a warning."""


@contextmanager
def _lowered_levels(threshold: int) -> Iterator[None]:
    """Lower the levels of the loggers of skyred and gammapy, so that they create these messages."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    previous_levels = [logger.level for logger in loggers]
    for logger in loggers:
        if logger.getEffectiveLevel() > threshold:
            logger.setLevel(threshold)
    try:
        yield
    finally:
        for logger, previous_level in zip(loggers, previous_levels, strict=True):
            logger.setLevel(previous_level)
