"""The errors of skyred: sentences that name the thing, and the exit code each stands for."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable

import attrs


@attrs.frozen
class Problem:
    """One thing that is wrong with a configuration.

    Parameters
    ----------
    path : tuple of (str or int)
        Where: names and positions from the top (``("data", "hess", "make", 0, "methods")``).
    message : str
        What is wrong.
    expected : str
        What was expected, or how to mend it.
    suggestion : str
        The nearest valid word, if there is one.
    """

    path: tuple[str | int, ...]
    message: str
    expected: str = ""
    suggestion: str = ""

    def with_prefix(self, *prefix: str | int) -> Problem:
        """Give the same problem with its path starting further up."""
        return attrs.evolve(self, path=(*prefix, *self.path))

    def __str__(self) -> str:
        parts = [self.message]
        if self.expected:
            parts.append(self.expected)
        if self.suggestion:
            parts.append(f"did you mean {self.suggestion!r}?")
        place = path_text(self.path)
        return (f"{place}: " if place else "") + "; ".join(parts)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that a misspelt one is most like, "" if none is like it."""
    return next(iter(difflib.get_close_matches(str(word), list(known), 1, cutoff=0.5)), "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` with the nearest known word, "" if none is near."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""


def path_text(path: Iterable[str | int]) -> str:
    """Write a path as people read it: ``data.hess.make[0].methods``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class SkyredWarning(UserWarning):
    """Something that a user should know, and that does not stop the work."""


class OldNameWarning(SkyredWarning, FutureWarning):
    """An old name of something that was renamed: it works for one release more."""


def warn_of_old_name(old: str, new: str) -> None:
    """Warn that something is called by its old name, which the next release does not know."""
    message = f"{old} is now called {new}; the old name works until the next release"
    warnings.warn(message, OldNameWarning, stacklevel=3)


class SkyredError(Exception):
    """Any error that skyred raises on purpose; `exit_code` is what the command line ends with.

    Errors about values that gammapy refuses with a `ValueError` are also a `ValueError`: wrong
    models, fits that are not possible, runs that an archive does not have.
    """

    exit_code = 1


class FieldError(SkyredError, ValueError):
    """A value that a field of a component cannot take."""

    exit_code = 2

    def __init__(self, message: str, expected: str = "", suggestion: str = "") -> None:
        self.problem = Problem((), message, expected, suggestion)
        super().__init__(str(self.problem))

    def __reduce__(self) -> tuple[type[FieldError], tuple[str, str, str]]:
        return type(self), (self.problem.message, self.problem.expected, self.problem.suggestion)


class ConfigError(SkyredError, ValueError):
    """A configuration with everything that is wrong with it.

    Parameters
    ----------
    problems : sequence of Problem
        All of them, in the order of the file.
    lines : sequence of str
        The same, ready to print (with file, line and column where they are known).
    """

    exit_code = 2

    def __init__(self, problems: Iterable[Problem], lines: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        self.lines = tuple(lines) or tuple(str(problem) for problem in self.problems)
        super().__init__("\n".join(self.lines))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[object, ...]]:
        return type(self), (self.problems, self.lines)


class PluginError(SkyredError):
    """Plugins that cannot be used together or at all."""

    exit_code = 2


class ArchiveError(SkyredError, ValueError):
    """An archive that cannot be opened, or that lacks what was asked for."""

    exit_code = 2


class OutputError(SkyredError):
    """A run folder that cannot be written, or that is no run folder."""

    exit_code = 2


class DiskError(OutputError):
    """The disk gave out while a run was written: it is full, over quota, read-only or broken."""


class FileError(SkyredError):
    """A file that is damaged, or that would run code or lead out of its folder if it were read."""

    exit_code = 2


class CacheError(SkyredError):
    """A cache that cannot be used: others could have written to it, or it cannot be made."""

    exit_code = 2


class EngineError(SkyredError):
    """Workers that cannot be started or reached, or that must not be used."""

    exit_code = 2


class StepError(SkyredError, AttributeError):
    """A result of a step that is set before the step it stands on is taken."""


class RunsFailedError(SkyredError):
    """Observations that could not be reduced, with one line for each."""

    exit_code = 3


class PrepareError(SkyredError):
    """A maker that cannot learn what it needs from the runs that were chosen."""

    exit_code = 2


class ModelError(SkyredError, ValueError):
    """Models that cannot be built from what was configured."""

    exit_code = 2


class ExportError(SkyredError):
    """Something that has no plain gammapy form."""

    exit_code = 2


class FitError(SkyredError, ValueError):
    """A fit that cannot be made."""

    exit_code = 4


class SkipObservation(Exception):  # noqa: N818 - a verdict, not an error: the contract's name
    """Raised by `Maker.make` or `Stacker.admit` to exclude an observation, with the reason."""

    @property
    def reason(self) -> str:
        """Why the observation is left out."""
        return str(self.args[0]) if self.args else "no reason given"
