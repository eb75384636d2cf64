"""Signatures: whether a gammapy object can stand in a chain, by what its `run` takes."""

from __future__ import annotations

import inspect

from skyred.errors import FieldError


def runs(other: object) -> bool:
    """Tell whether something is an object, not a class, that has a `run`."""
    return callable(getattr(other, "run", None)) and not isinstance(other, type)


def run_takes(other: object) -> tuple[str, ...]:
    """Name what the `run` of an object takes, in order."""
    return tuple(_run(other).parameters)


def runs_with(other: object, *names: str) -> bool:
    """Tell whether the `run` of an object can be called with these names, and no others."""
    try:
        _run(other).bind(**dict.fromkeys(names))
    except TypeError:
        return False
    return True


def refusal(other: object, expected: str) -> FieldError:
    """Say that an object's `run` is not the one that is expected here."""
    takes = ", ".join(run_takes(other))
    return FieldError(f"is a {type(other).__name__}, with run({takes})", expected)


def _run(other: object) -> inspect.Signature:
    return inspect.signature(other.run)  # type: ignore[attr-defined]
