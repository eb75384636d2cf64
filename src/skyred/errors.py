"""The errors and warnings of skyred, with the exit codes of the command line."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Sequence

import attrs

MAX_VALUE_LENGTH = 60


@attrs.frozen
class Problem:
    """One problem in a configuration.

    Parameters
    ----------
    path : tuple of (str or int)
        Names and indices from the top level (``("data", "hess", "make", 0, "methods")``).
    message : str
        The description of the problem.
    expected : str
        The expected value, or how to fix the problem.
    suggestion : str
        The most similar valid word; "" if there is none.
    """

    path: tuple[str | int, ...]
    message: str
    expected: str = ""
    suggestion: str = ""

    def with_prefix(self, *prefix: str | int) -> Problem:
        """Return the problem with a longer path.

        Parameters
        ----------
        *prefix : str or int
            Names and indices that are prepended to the path.

        Returns
        -------
        Problem
            The new problem.
        """
        return attrs.evolve(self, path=(*prefix, *self.path))

    def __str__(self) -> str:
        parts = [self.message]
        if self.expected:
            parts.append(self.expected)
        if self.suggestion:
            parts.append(f"did you mean {self.suggestion!r}?")
        location = path_text(self.path)
        return (f"{location}: " if location else "") + "; ".join(parts)


def format_value(value: object) -> str:
    """Format a value for an error message.

    Parameters
    ----------
    value : object
        The value.

    Returns
    -------
    str
        Its repr, shortened if it is long; without an address if its class does not define a repr.
    """
    if type(value).__repr__ is object.__repr__:
        return f"<{type(value).__name__} object>"
    formatted = repr(value)
    return (
        formatted
        if len(formatted) <= MAX_VALUE_LENGTH
        else f"{formatted[: MAX_VALUE_LENGTH - 3]}..."
    )


def format_list(values: Sequence[object], max_listed: int) -> str:
    """Format a list for a message, with at most `max_listed` values.

    Parameters
    ----------
    values : sequence of object
        The values.
    max_listed : int
        The maximum number of values to list.

    Returns
    -------
    str
        The first values, separated by commas, and the number of values that are left out.
    """
    n_unlisted = len(values) - max_listed
    more = f", and {n_unlisted} more" if n_unlisted > 0 else ""
    return ", ".join(str(value) for value in values[:max_listed]) + more


def nearest(word: str, valid_words: Iterable[str]) -> str:
    """Return the valid word that is most similar to a misspelt one.

    Parameters
    ----------
    word : str
        The misspelt word.
    valid_words : iterable of str
        The valid words.

    Returns
    -------
    str
        The word; "" if none is similar.
    """
    return next(iter(difflib.get_close_matches(str(word), list(valid_words), 1, cutoff=0.5)), "")


def did_you_mean(word: str, valid_words: Iterable[str]) -> str:
    """Return a suggestion for a misspelt word, to append to a message.

    Parameters
    ----------
    word : str
        The misspelt word.
    valid_words : iterable of str
        The valid words.

    Returns
    -------
    str
        The text ``; did you mean 'x'?`` with the most similar word; "" if none is similar.
    """
    suggestion = nearest(word, valid_words)
    return f"; did you mean {suggestion!r}?" if suggestion else ""


def path_text(path: Iterable[str | int]) -> str:
    """Format a path such as ``data.hess.make[0].methods``.

    Parameters
    ----------
    path : iterable of (str or int)
        Names and indices.

    Returns
    -------
    str
        The formatted path.
    """
    formatted = ""
    for part in path:
        formatted += f"[{part}]" if isinstance(part, int) else f".{part}" if formatted else part
    return formatted


class SkyredWarning(UserWarning):
    """Base class of the warnings of skyred."""


class OldNameWarning(SkyredWarning, FutureWarning):
    """Warning about an old name that works for one more release."""


def warn_of_old_name(old: str, new: str) -> None:
    """Warn about the use of an old name, which will be removed in the next release.

    Parameters
    ----------
    old, new : str
        The old and the new name.
    """
    message = f"{old} is now called {new}; the old name works until the next release"
    warnings.warn(message, OldNameWarning, stacklevel=3)


class SkyredError(Exception):
    """Base class of the errors of skyred; `exit_code` is the exit code of the command line.

    Errors for which gammapy raises a `ValueError` are subclasses of `ValueError`: invalid models,
    impossible fits, and runs that are missing from an archive.
    """

    exit_code = 1


class FieldError(SkyredError, ValueError):
    """Raised if the value of a field of a component is invalid.

    Parameters
    ----------
    message : str
        The description of the problem.
    expected : str
        The expected value, or how to fix the problem.
    suggestion : str
        The most similar valid word; "" if there is none.
    """

    exit_code = 2

    def __init__(self, message: str, expected: str = "", suggestion: str = "") -> None:
        self.problem = Problem((), message, expected, suggestion)
        super().__init__(str(self.problem))

    def __reduce__(self) -> tuple[type[FieldError], tuple[str, str, str]]:
        return type(self), (self.problem.message, self.problem.expected, self.problem.suggestion)


class ConfigError(SkyredError, ValueError):
    """Raised if a configuration or a command-line option is invalid; contains all problems.

    Parameters
    ----------
    problems : sequence of Problem
        The problems; if the configuration was read from a file, in the order of the file.
    lines : sequence of str
        The problems as text, with file, line and column if they are known.
    """

    exit_code = 2

    def __init__(self, problems: Iterable[Problem], lines: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        self.lines = tuple(lines) or tuple(str(problem) for problem in self.problems)
        super().__init__("\n".join(self.lines))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[object, ...]]:
        return type(self), (self.problems, self.lines)


class PluginError(SkyredError):
    """Raised if plugins are faulty or in conflict."""

    exit_code = 2


class ComponentError(PluginError):
    """Raised if a component violates a rule of its interface, such as a fitter with wrong results.

    It is never raised for the input of a user.
    """


class ArchiveError(SkyredError, ValueError):
    """Raised if an archive or reduced datasets cannot be read, or do not contain what is needed."""

    exit_code = 2


class OutputError(SkyredError):
    """Raised if an output cannot be written, or a folder is not a valid run folder."""

    exit_code = 2


class DiskError(OutputError):
    """Raised if a run cannot be written because the disk is full, over quota or read-only."""


class FileError(SkyredError):
    """Raised if a file is missing or invalid, would run code, or refers outside its folder."""

    exit_code = 2


class CacheError(SkyredError):
    """Raised if a cache cannot be created, or if other users could have written to it."""

    exit_code = 2


class EngineError(SkyredError):
    """Raised if workers cannot be started or reached, or are incompatible."""

    exit_code = 2


class StepError(SkyredError, AttributeError):
    """Raised if the output of a step is set before the steps that it depends on have run."""


class RunsFailedError(SkyredError):
    """Raised if observations could not be reduced, or differ from those that gammapy reduces."""

    exit_code = 3


class PrepareError(SkyredError):
    """Raised if a maker cannot be prepared with the selected runs."""

    exit_code = 2


class ModelError(SkyredError, ValueError):
    """Raised if models cannot be built or do not match the datasets, or a dataset is unsuitable."""

    exit_code = 2


class ExportError(SkyredError):
    """Raised if a component cannot be expressed in plain gammapy."""

    exit_code = 2


class FitError(SkyredError, ValueError):
    """Raised if a fit is not possible, or if it did not converge."""

    exit_code = 4


class SkipObservation(Exception):  # noqa: N818 - not an error, but the result of a check
    """Raised by geometries, makers and stackers to skip an observation, with the reason."""

    @property
    def reason(self) -> str:
        """Reason for skipping the observation."""
        return str(self.args[0]) if self.args else "no reason given"
