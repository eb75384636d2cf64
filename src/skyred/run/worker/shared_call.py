"""Calls of a function in a worker, with data that each worker reads once."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from skyred.errors import SkyredError
from skyred.io.exact_pickle import dump_exactly

# function and shared data by token; only those of the current estimator are kept
_SHARED: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {}


@attrs.frozen
class SharedCall:
    """A call of a function with shared data and one item.

    Parameters
    ----------
    token : str
        Identifies the function and the shared data.
    item : object
        The item.
    file : Path
        The file with the pickled function and data; workers on other machines may not see it.
    data : bytes, optional
        The content of the file, for workers that do not see it.
    """

    token: str
    item: Any
    file: Path
    data: bytes | None = None


@attrs.frozen
class CallResult:
    """The result of a call in a worker.

    Parameters
    ----------
    value : bytes
        The pickled value that the function returned; empty if the shared data are missing.
    warnings : tuple of Warning
        The warnings that were issued.
    """

    value: bytes = b""
    warnings: tuple[Warning, ...] = ()


def run_shared_call(call: SharedCall) -> CallResult:
    """Call the function with the shared data, which are read on the first call in a process.

    Parameters
    ----------
    call : SharedCall
        The call.

    Returns
    -------
    CallResult
        The result; without a value if this worker does not see the shared data.

    Raises
    ------
    Exception
        The exception of the function; a `SkyredError` with its message if it cannot be pickled.
    """
    if call.token not in _SHARED and not _read_shared_data(call):
        return CallResult()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        function, shared = _SHARED[call.token]
        try:
            value = dump_exactly(function(shared, call.item))
        except Exception as error:
            if _can_be_pickled(error):
                raise
            raise SkyredError(f"{type(error).__name__}: {error}") from None
    return CallResult(value, tuple(_picklable_warning(warning.message) for warning in caught))


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


def _can_be_pickled(candidate: object) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(candidate))) is type(candidate)
    except Exception:  # a class may raise any error
        return False


def _picklable_warning(warning: Warning | str) -> Warning:
    if isinstance(warning, Warning) and _can_be_pickled(warning):
        return warning
    return UserWarning(str(warning))
