"""Removal of the values of secrets from log messages, warnings, errors and outcomes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import attrs

from skyred.errors import ComponentError, FieldError
from skyred.fields.secrets import hide
from skyred.interfaces import Fields, walk
from skyred.interfaces.records import Outcome
from skyred.interfaces.traversal import secrets


def secret_values(roots: Iterable[Fields]) -> tuple[str, ...]:
    """Return the values of all secrets in objects with fields, including nested ones.

    Parameters
    ----------
    roots : iterable of Fields
        The objects, such as a pipeline and an engine.

    Returns
    -------
    tuple of str
        The values that can be read.
    """
    values: dict[str, None] = {}
    for root in roots:
        for _, item in walk(root):
            for _, secret in secrets(item):
                with suppress(FieldError):
                    values[secret.reveal()] = None
    return tuple(values)


def hide_in_outcome(outcome: Outcome, values: Iterable[str]) -> Outcome:
    """Return an outcome without the values of secrets.

    Parameters
    ----------
    outcome : Outcome
        The outcome of an observation.
    values : iterable of str
        The values.

    Returns
    -------
    Outcome
        The outcome with asterisks in its reason, its traceback and its notes.
    """
    values = tuple(values)
    if not values:
        return outcome
    return attrs.evolve(
        outcome,
        reason=hide(outcome.reason, values),
        traceback=hide(outcome.traceback, values),
        notes=tuple(hide(note, values) for note in outcome.notes),
    )


@contextmanager
def hidden_secrets(*roots: Fields) -> Iterator[None]:
    """Hide the values of secrets in the log messages, warnings and errors of a context.

    Parameters
    ----------
    *roots : Fields
        The objects with the secrets.

    Yields
    ------
    None
        The secrets are used inside the context.

    Raises
    ------
    Exception
        The exception that is raised in the context, with asterisks in its message; a
        `ComponentError` if its message cannot be changed.
    """
    values = secret_values(roots)
    if not values:
        yield
        return
    factory, show = logging.getLogRecordFactory(), warnings.showwarning
    logging.setLogRecordFactory(partial(_create_record, factory, values))
    warnings.showwarning = partial(_show_warning, show, values)
    try:
        yield
    except Exception as error:
        if _hide_in_error(error, values):
            raise
        message = hide(f"{type(error).__name__}: {error}", values)
        raise ComponentError(message) from None
    finally:
        logging.setLogRecordFactory(factory)
        warnings.showwarning = show


def _create_record(factory: Any, values: tuple[str, ...], *args: Any, **kwargs: Any) -> Any:
    record = factory(*args, **kwargs)
    message = record.getMessage()
    if (hidden_message := hide(message, values)) != message:
        record.msg, record.args = hidden_message, ()
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = hide(logging.Formatter().formatException(record.exc_info), values)
    return record


def _show_warning(show: Any, values: tuple[str, ...], message: Any, *args: Any) -> None:
    hidden_message = hide(str(message), values)
    if hidden_message != str(message):
        category = type(message) if isinstance(message, Warning) else UserWarning
        message = hidden_message
        with suppress(TypeError):
            message = category(hidden_message)
    show(message, *args)


def _hide_in_error(error: BaseException, values: tuple[str, ...]) -> bool:
    """Hide secrets in an exception and those that caused it; return whether none is left."""
    is_hidden, exception = True, error
    ids: set[int] = set()
    while id(exception) not in ids:
        ids.add(id(exception))
        exception.args = tuple(
            hide(argument, values) if isinstance(argument, str) else argument
            for argument in exception.args
        )
        notes = getattr(exception, "__notes__", None)
        if notes:
            exception.__notes__ = [hide(note, values) for note in notes]
        is_hidden &= hide(message := str(exception), values) == message
        exception = exception.__cause__ or exception.__context__ or exception
    return is_hidden
