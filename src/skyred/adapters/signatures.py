"""Checks of the signature of the `run` method of gammapy objects."""

from __future__ import annotations

import inspect

from skyred.errors import FieldError


def has_run(candidate: object) -> bool:
    """Return whether an object has a `run` method.

    Parameters
    ----------
    candidate : object
        The object.

    Returns
    -------
    bool
        True if it has the method, and is not a class.
    """
    return callable(getattr(candidate, "run", None)) and not isinstance(candidate, type)


def run_arguments(candidate: object) -> tuple[str, ...]:
    """Return the names of the arguments of the `run` method of an object.

    Parameters
    ----------
    candidate : object
        The object.

    Returns
    -------
    tuple of str
        The names, in order.
    """
    return tuple(_signature(candidate).parameters)


def accepts_arguments(candidate: object, *names: str) -> bool:
    """Return whether the `run` method of an object can be called with these keyword arguments.

    Parameters
    ----------
    candidate : object
        The object.
    *names : str
        The names of the arguments.

    Returns
    -------
    bool
        True if it has all these arguments, and no other required ones.
    """
    try:
        _signature(candidate).bind(**dict.fromkeys(names))
    except TypeError:
        return False
    return True


def signature_error(candidate: object, expected: str) -> FieldError:
    """Create the error for an object whose `run` method has an unexpected signature.

    Parameters
    ----------
    candidate : object
        The object.
    expected : str
        The description of the expected signature.

    Returns
    -------
    FieldError
        The error.
    """
    arguments = ", ".join(run_arguments(candidate))
    return FieldError(f"is a {type(candidate).__name__}, with run({arguments})", expected)


def _signature(candidate: object) -> inspect.Signature:
    return inspect.signature(candidate.run)  # type: ignore[attr-defined]
