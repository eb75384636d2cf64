"""Removal of the values of secrets from log messages, warnings, errors, problems and outcomes."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from threading import RLock
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import ComponentError, ConfigError, FieldError, Problem
from skyred.fields.secrets import Secret, hide
from skyred.interfaces.traversal import secrets, walk
from skyred.interfaces.value_class import Fields

if TYPE_CHECKING:
    from skyred.interfaces.records import Outcome

# of all contexts, also those of other threads, because log and warnings are those of the process
_hidden_values: list[tuple[str, ...]] = []
_lock = RLock()


def find_secrets(roots: Iterable[Fields]) -> tuple[Secret, ...]:
    """Return all secrets in objects with fields, including nested ones.

    Parameters
    ----------
    roots : iterable of Fields
        The objects, such as a pipeline and an engine.

    Returns
    -------
    tuple of Secret
        The references, without their values.
    """
    return tuple(secret for root in roots for _, item in walk(root) for _, secret in secrets(item))


def secret_values(roots: Iterable[Fields | Secret]) -> tuple[str, ...]:
    """Return the values of secrets, and of all secrets in objects with fields.

    Parameters
    ----------
    roots : iterable of (Fields or Secret)
        The objects, such as a pipeline and an engine, or secrets.

    Returns
    -------
    tuple of str
        The values that can be read.
    """
    values: dict[str, None] = {}
    for root in roots:
        for secret in (root,) if isinstance(root, Secret) else find_secrets([root]):
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


def hide_in_problems(problems: Iterable[Problem], *roots: Fields) -> list[Problem]:
    """Return problems without the values of secrets.

    Parameters
    ----------
    problems : iterable of Problem
        The problems.
    *roots : Fields
        The objects with the secrets.

    Returns
    -------
    list of Problem
        The problems with asterisks in their texts.
    """
    values = secret_values(roots)
    return [_hide_in_problem(problem, values) for problem in problems]


def _hide_in_problem(problem: Problem, values: tuple[str, ...]) -> Problem:
    if not values:
        return problem
    return attrs.evolve(
        problem,
        message=hide(problem.message, values),
        expected=hide(problem.expected, values),
        suggestion=hide(problem.suggestion, values),
    )


@contextmanager
def hidden_secrets(*roots: Fields | Secret) -> Iterator[None]:
    """Hide the values of secrets in the log messages, warnings and errors of a context.

    Parameters
    ----------
    *roots : Fields or Secret
        The objects with the secrets, or secrets.

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
    _hide_in_messages(values)
    try:
        yield
    except (Exception, SystemExit) as error:
        if _hide_in_error(error, values):
            raise
        new_error = ComponentError(hide(f"{type(error).__name__}: {error}", values))
        for note in getattr(error, "__notes__", ()):
            new_error.add_note(note)
        raise new_error from None
    finally:
        _show_in_messages(values)


def _hide_in_messages(values: tuple[str, ...]) -> None:
    """Hide values in log messages and warnings, also if others have replaced their functions."""
    with _lock:
        _hidden_values.append(values)
        factory, show = logging.getLogRecordFactory(), warnings.showwarning
        if not _calls(factory, _create_record):
            logging.setLogRecordFactory(partial(_create_record, factory))
        if not _calls(show, _show_warning):  # for example by warnings.catch_warnings
            warnings.showwarning = partial(_show_warning, show)


def _show_in_messages(values: tuple[str, ...]) -> None:
    """End the hiding of values; the last context restores the functions."""
    with _lock:
        _hidden_values.remove(values)
        if _hidden_values:
            return
        while _calls(factory := logging.getLogRecordFactory(), _create_record):
            logging.setLogRecordFactory(factory.args[0])  # type: ignore[attr-defined]
        while _calls(show := warnings.showwarning, _show_warning):
            warnings.showwarning = show.args[0]  # type: ignore[attr-defined]


def _calls(function: Any, inner: Callable[..., Any]) -> bool:
    return isinstance(function, partial) and function.func is inner


def _hide_all(message: str) -> str:
    return hide(message, chain.from_iterable(tuple(_hidden_values)))


def _create_record(factory: Any, *args: Any, **kwargs: Any) -> Any:
    record = factory(*args, **kwargs)
    try:
        message = record.getMessage()
    except Exception as error:  # as for other log messages, this is no error of the component
        message = f"invalid log message: {type(error).__name__}: {error}"
        record.msg, record.args = message, ()
    if (hidden_message := _hide_all(message)) != message:
        record.msg, record.args = hidden_message, ()
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = _hide_all(logging.Formatter().formatException(record.exc_info))
    return record


def _show_warning(show: Any, message: Any, *args: Any, **kwargs: Any) -> None:
    hidden_message = _hide_all(str(message))
    if hidden_message != str(message):
        category = type(message) if isinstance(message, Warning) else UserWarning
        message = hidden_message
        with suppress(TypeError):
            message = category(hidden_message)
    show(message, *args, **kwargs)


def _hide_in_error(error: BaseException, values: tuple[str, ...]) -> bool:
    """Hide secrets in an exception and all related ones; return whether none is left."""
    is_hidden = True
    for exception in _related(error):
        with suppress(Exception):  # a class may forbid changes
            exception.args = tuple(
                hide(argument, values) if isinstance(argument, str) else argument
                for argument in exception.args
            )
        if isinstance(exception, SystemExit) and isinstance(exception.code, str):
            exception.code = hide(exception.code, values)
        if isinstance(exception, FieldError):
            exception.problem = _hide_in_problem(exception.problem, values)
        if isinstance(exception, ConfigError):
            exception.problems = tuple(
                _hide_in_problem(item, values) for item in exception.problems
            )
            exception.lines = tuple(hide(line, values) for line in exception.lines)
        notes = getattr(exception, "__notes__", None)
        if notes:
            exception.__notes__ = [hide(note, values) for note in notes]
        # without the lines of the source code, which have nothing to do with the value
        message = "".join(traceback.format_exception_only(exception))
        is_hidden &= hide(message, values) == message
    return is_hidden


def _related(error: BaseException) -> Iterable[BaseException]:
    """Return an exception, those that caused it, and those in groups."""
    by_id: dict[int, BaseException] = {}
    remaining: list[BaseException | None] = [error]
    while remaining:
        exception = remaining.pop()
        if exception is not None and id(exception) not in by_id:
            by_id[id(exception)] = exception
            remaining += (exception.__cause__, exception.__context__)
            if isinstance(exception, BaseExceptionGroup):
                remaining += exception.exceptions
    return by_id.values()
