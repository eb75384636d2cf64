"""The configuration to convert: values with positions, and the settings that are not converted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from skyred.config.document import Document
from skyred.errors import Problem, path_text

Path = tuple[str | int, ...]
_MISSING = object()


@attrs.frozen
class SkippedSetting:
    """A setting that is not converted.

    Parameters
    ----------
    path : tuple of (str or int)
        Names and indices from the top level of the configuration.
    line, column : int
        Position in the file, counted from 1.
    reason : str
        Why the setting is not converted, or how to replace it.
    changes_results : bool
        Whether the converted analysis may have other results without the setting.
    """

    path: Path
    line: int
    column: int
    reason: str
    changes_results: bool

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.reason}"


@attrs.define
class Source:
    """A configuration of another program, whose settings are converted one after the other.

    Parameters
    ----------
    document : Document
        The YAML document, with the positions of all keys.
    data : mapping of str to object
        The settings in the document.
    skipped : list of SkippedSetting
        The settings that are not converted.
    problems : list of Problem
        Settings that are not valid in the original program.
    """

    document: Document
    data: Mapping[str, Any]
    skipped: list[SkippedSetting] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)
    _converted: set[Path] = attrs.field(factory=set, repr=False)

    def has(self, dotted_path: str) -> bool:
        """Return whether the file contains a setting, even if it is empty.

        Parameters
        ----------
        dotted_path : str
            The path, such as ``general.log.level``.

        Returns
        -------
        bool
            True if it does.
        """
        return self._find(dotted_path) is not _MISSING

    def get(self, dotted_path: str, default: Any = None) -> Any:
        """Return a setting as in the file, with unexpanded environment variables.

        Parameters
        ----------
        dotted_path : str
            The path.
        default : object
            The value of a setting that the file does not contain.

        Returns
        -------
        object
            The setting.
        """
        value = self._find(dotted_path)
        return default if value is _MISSING or value is None else value

    def _find(self, dotted_path: str) -> Any:
        """Return a setting as in the file; `_MISSING` if the file does not contain it."""
        value: Any = self.data
        for step in _split(dotted_path):
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return _MISSING
        return value

    def mark_converted(self, *dotted_paths: str) -> None:
        """Mark settings, with all that they contain, as converted.

        Parameters
        ----------
        *dotted_paths : str
            The paths.
        """
        self._converted |= {_split(path) for path in dotted_paths}

    def skip(self, path: str | Path, reason: str, *, changes_results: bool = True) -> None:
        """Add a setting that is not converted, unless the file does not contain it.

        Parameters
        ----------
        path : str or tuple of (str or int)
            The path.
        reason : str
            Why the setting is not converted, or how to replace it.
        changes_results : bool
            Whether the converted analysis may have other results without the setting.
        """
        path = _split(path) if isinstance(path, str) else path
        self._converted.add(path)
        is_repeated = any(setting.path == path for setting in self.skipped)
        if is_repeated or not any(mark[: len(path)] == path for mark in self.document.marks):
            return
        line, column = self.document.position(Problem(path, ""))
        self.skipped.append(SkippedSetting(path, line, column, reason, changes_results))

    def add_problem(self, path: str | Path, message: str, expected: str = "") -> None:
        """Add a setting that is not valid in the original program.

        Parameters
        ----------
        path : str or tuple of (str or int)
            The path.
        message : str
            The description of the problem.
        expected : str
            The expected value, or how to fix the problem.
        """
        path = _split(path) if isinstance(path, str) else path
        self.problems.append(Problem(path, message, expected))

    def skip_all_others(self) -> None:
        """Add all settings in the file that were neither converted nor skipped."""
        for path, _ in self.leaves(self.data):
            if not any(path[:length] in self._converted for length in range(1, len(path) + 1)):
                self.skip(path, "has no counterpart in skyred")

    def leaves(self, value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
        """Yield all settings that are not sections, with their paths.

        Parameters
        ----------
        value : object
            A setting, or a section.
        path : tuple of (str or int)
            Its path.

        Yields
        ------
        path : tuple of (str or int)
            The path of a setting.
        value : object
            The setting; empty ones are left out.
        """
        if isinstance(value, Mapping) and value:
            for name, item in value.items():
                yield from self.leaves(item, (*path, str(name)))
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                yield from self.leaves(item, (*path, index))
        elif value is not None and value not in ({}, []):
            yield path, value


def _split(dotted_path: str) -> Path:
    return tuple(int(name) if name.isdecimal() else name for name in dotted_path.split("."))
