"""Calls of a function in a worker, with data that each worker reads once."""

from __future__ import annotations

import logging
import pickle
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from skyred.errors import SkyredError
from skyred.fields import Secret
from skyred.interfaces.hidden_secrets import hidden_secrets
from skyred.io.exact_pickle import dump_exactly

# Function and shared data of the last token. They remain in memory until a call with another token,
# or the end of the worker.
_SHARED: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {}
LogMessage = tuple[str, int, str]


@attrs.frozen
class SharedCall:
    """A call of a function with shared data and one item.

    Parameters
    ----------
    token : str
        Identifies the function and the shared data.
    number : int
        The position of the item.
    item : bytes
        The pickled item.
    file : Path
        The file with the pickled function and data; workers on other machines may not see it.
    data : bytes, optional
        The content of the file, for a worker that does not see it.
    """

    token: str
    number: int
    item: bytes
    file: Path
    data: bytes | None = None


@attrs.frozen
class CallResult:
    """The result of a call in a worker.

    Parameters
    ----------
    value : bytes
        The pickled value that the function returned.
    warnings : tuple of Warning
        The warnings that were issued, including repeated ones.
    log_messages : tuple of (str, int, str)
        The log messages of level WARNING and above: name of the logger, level and message.
    error : Exception, optional
        The error of the function; a `SkyredError` with its message if it cannot be pickled.
    traceback : str
        The traceback of the error.
    is_missing : bool
        Whether this worker does not see the shared data; the function was not called.
    unpicklable : str
        Why function, data, item or value cannot be pickled, or not be read in this worker.
    """

    value: bytes = b""
    warnings: tuple[Warning, ...] = ()
    log_messages: tuple[LogMessage, ...] = ()
    error: Exception | None = None
    traceback: str = ""
    is_missing: bool = False
    unpicklable: str = ""


@attrs.frozen
class HiddenCall:
    """A function that is called without showing the values of secrets.

    Parameters
    ----------
    function : callable
        The function.
    secrets : tuple of Secret
        The secrets.
    """

    function: Callable[[Any, Any], Any]
    secrets: tuple[Secret, ...]

    def __call__(self, shared: Any, item: Any) -> Any:
        """Call the function.

        Parameters
        ----------
        shared, item : object
            The arguments of the function.

        Returns
        -------
        object
            The result of the function.
        """
        with hidden_secrets(*self.secrets):
            return self.function(shared, item)


def run_shared_call(call: SharedCall) -> CallResult:
    """Call the function with the shared data, which are read on the first call in a process.

    Parameters
    ----------
    call : SharedCall
        The call.

    Returns
    -------
    CallResult
        The result, or the reason why there is none.
    """
    with _capture_messages():  # the main process has already issued those of the preparation
        try:
            if call.token not in _SHARED and not _read_shared_data(call):
                return CallResult(is_missing=True)
            item = pickle.loads(call.item)
        except Exception as error:  # classes may raise any error when they are unpickled
            return CallResult(unpicklable=describe_error(error))
    with _capture_messages() as (caught, log_messages):
        result = _call(*_SHARED[call.token], item)
    messages = tuple(_picklable_warning(warning.message) for warning in caught)
    return attrs.evolve(result, warnings=messages, log_messages=tuple(log_messages))


@contextmanager
def _capture_messages() -> Iterator[tuple[list[warnings.WarningMessage], list[LogMessage]]]:
    """Capture warnings and log messages, which a worker would print."""
    log_messages: list[LogMessage] = []
    collector, logger = _LogCollector(log_messages), logging.getLogger()
    logger.addHandler(collector)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")  # the filters of the main process decide
            yield caught, log_messages
    finally:
        logger.removeHandler(collector)


class _LogCollector(logging.Handler):
    def __init__(self, messages: list[LogMessage]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.messages.append((record.name, record.levelno, self.format(record)))
        except Exception:  # as in other handlers, an invalid message is no error of the task
            self.handleError(record)


def _call(function: Callable[[Any, Any], Any], shared: Any, item: Any) -> CallResult:
    try:
        value = function(shared, item)
    except Exception as error:
        formatted = traceback.format_exc()
        if _can_be_pickled(error):
            return CallResult(error=error, traceback=formatted)
        return CallResult(error=SkyredError(describe_error(error)), traceback=formatted)
    try:
        return CallResult(dump_exactly(value))
    except Exception as error:
        return CallResult(unpicklable=describe_error(error))


def _read_shared_data(call: SharedCall) -> bool:
    """Read the shared data; return whether they are available."""
    _SHARED.clear()
    data = call.data
    if data is None:
        try:
            data = call.file.read_bytes()
        except OSError:
            return False
    _SHARED[call.token] = pickle.loads(data)
    return True


def describe_error(error: Exception) -> str:
    """Return the class and the message of an error.

    Parameters
    ----------
    error : Exception
        The error.

    Returns
    -------
    str
        The description.
    """
    return f"{type(error).__name__}: {error}"


def _can_be_pickled(candidate: Exception) -> bool:
    """Return whether a copy of an error or a warning has the same class and message."""
    try:
        copied = pickle.loads(pickle.dumps(candidate))
        return type(copied) is type(candidate) and str(copied) == str(candidate)
    except Exception:  # a class may raise any error
        return False


def _picklable_warning(warning: Warning | str) -> Warning:
    if isinstance(warning, Warning) and _can_be_pickled(warning):
        return warning
    return UserWarning(str(warning))
