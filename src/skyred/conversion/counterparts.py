"""The counterparts of gammapy's and asgardpy's classes and options, read from tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import attrs

from skyred.config.document import Document


@attrs.frozen
class Counterpart:
    """The counterpart of a class, an argument or an option.

    Parameters
    ----------
    name : str
        The name of the class, the argument or the option.
    components : tuple of str
        The kinds of the components that correspond to it.
    option : str
        The option of the components; "" if it is not an option.
    note : str
        Description of the counterpart.
    reason : str
        Why there is no counterpart; "" if there is one.
    """

    name: str
    components: tuple[str, ...] = ()
    option: str = ""
    note: str = ""
    reason: str = ""

    @classmethod
    def from_row(cls, name: str, row: Any, components: tuple[str, ...] = ()) -> Counterpart:
        """Read a row of a table.

        Parameters
        ----------
        name : str
            The name of the class, the argument or the option.
        row : str or dict
            The option, or a mapping with the keys `components`, `note` and `none`.
        components : tuple of str
            The kinds of the components with the option.

        Returns
        -------
        Counterpart
            The counterpart.
        """
        if isinstance(row, str):
            kind, dot, option = row.partition(".")
            return cls(name, (kind,), option) if dot else cls(name, components, row)
        return cls(
            name,
            tuple(row.get("components", ())),
            note=row.get("note", ""),
            reason=row.get("none", ""),
        )


@attrs.frozen
class ClassCounterpart:
    """The counterpart of a class of gammapy.

    Parameters
    ----------
    module : str
        The module of the class.
    counterpart : Counterpart
        The counterpart of the class.
    arguments : mapping of str to Counterpart
        The counterparts of its arguments, by name.
    """

    module: str
    counterpart: Counterpart
    arguments: Mapping[str, Counterpart]


@cache
def class_counterparts() -> dict[str, ClassCounterpart]:
    """Return the counterparts of gammapy's classes.

    Returns
    -------
    dict of str to ClassCounterpart
        The counterparts, by name of the class.
    """
    return {entry.counterpart.name: entry for entry in _read_classes()}


@cache
def option_counterparts(program: str) -> dict[str, Counterpart]:
    """Return the counterparts of the options in the configuration of a program.

    Parameters
    ----------
    program : {"gammapy", "asgardpy"}
        The program.

    Returns
    -------
    dict of str to Counterpart
        The counterparts, by path of the option.
    """
    rows = _read_table(f"{program}_options.yaml")
    return {path: Counterpart.from_row(path, row) for path, row in rows.items()}


def _read_classes() -> Iterator[ClassCounterpart]:
    for module, classes in _read_table("gammapy_classes.yaml").items():
        for name, row in classes.items():
            counterpart = Counterpart.from_row(name, row)
            arguments = {
                argument: Counterpart.from_row(argument, argument_row, counterpart.components)
                for argument, argument_row in row.get("arguments", {}).items()
            }
            yield ClassCounterpart(module, counterpart, arguments)


def _read_table(name: str) -> dict[str, Any]:
    content = resources.files(__package__).joinpath(name).read_text("utf-8")
    table: dict[str, Any] = Document.parse(content, name).data
    return table
