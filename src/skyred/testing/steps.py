"""The steps of a check, which are named in the errors of components."""

from __future__ import annotations

import contextlib
import functools
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

import skyred.interfaces
from skyred.testing.requirement import NotChecked, RequirementViolated

_STEP = "_skyred_step"  # attribute of an error
# frames that call the component, but do not show its fault
_CALLERS = (str(Path(__file__).parent), str(Path(skyred.interfaces.__file__).parent),
            contextlib.__file__)  # fmt: skip


@contextmanager
def step(name: str) -> Iterator[None]:
    """Add the name of the step to errors that are raised in this context.

    The name of an inner step has precedence.

    Parameters
    ----------
    name : str
        The step, as the end of a sentence: "reading its files".

    Raises
    ------
    RequirementViolated
        If the component exits Python.
    """
    try:
        yield
    except (RequirementViolated, NotChecked):
        raise
    except SystemExit as error:
        message = f"while {name}, it exits Python (code {error.code})"
        raise RequirementViolated(message) from error
    except Exception as error:
        if not hasattr(error, _STEP):
            with contextlib.suppress(AttributeError):  # errors without attributes
                setattr(error, _STEP, name)
        raise


def describe_error(error: BaseException) -> str:
    """Return the step in which an error was raised, its type, message and location.

    Parameters
    ----------
    error : BaseException
        The error.

    Returns
    -------
    str
        For example "while reading its files, KeyError: 'counts' (flux.py:43, in read)".
    """
    if isinstance(error, RequirementViolated):
        return str(error)
    name = getattr(error, _STEP, "")
    prefix = f"while {name}, " if name else ""
    message = f"{prefix}{type(error).__name__}: {error} ({_location(error)})"
    return message.replace("\n", " ")


def _location(error: BaseException) -> str:
    all_frames: list[Any] = list(traceback.extract_tb(error.__traceback__))
    frames = [frame for frame in all_frames if not frame.filename.startswith(_CALLERS)]
    frame = frames[0] if frames else all_frames[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}"


@attrs.frozen(eq=False)
class NamedSteps:
    """A component whose methods name their step in errors.

    Parameters
    ----------
    component : object
        The component.
    steps : mapping of str to str
        The steps by method; other attributes are passed on.
    """

    component: Any
    steps: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.component, name)
        if name not in self.steps:
            return attribute

        @functools.wraps(attribute)
        def call(*arguments: Any) -> Any:
            with step(self.steps[name]):
                return attribute(*arguments)

        return call
