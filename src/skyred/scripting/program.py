"""A generated Python program: its imports, constants and functions."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

import attrs

from skyred.scripting.layout import INDENT, lay_out
from skyred.scripting.literals import (
    path_code,
    position_code,
    quantity_code,
    regions_code,
    time_code,
)
from skyred.scripting.statements import docstring_code, function_code, import_lines

if TYPE_CHECKING:
    from astropy import units as u

    from skyred.fields import Instant, Position, Regions


@attrs.define(eq=False)
class PythonProgram:
    """A Python program whose functions are added one by one; it ends with a call of ``main``."""

    RESERVED_NAMES: ClassVar[tuple[str, ...]] = ("main",)  # of functions

    _imports: dict[str, set[str]] = attrs.field(factory=dict, init=False)  # names by module
    _constants: dict[str, str] = attrs.field(factory=dict, init=False)  # code by name
    _functions: list[str] = attrs.field(factory=list, init=False)  # code
    _function_names: set[str] = attrs.field(init=False)
    _shared: dict[tuple[str, ...], str] = attrs.field(factory=dict, init=False)  # names by content
    _locals: set[str] = attrs.field(factory=set, init=False)  # variables of the current function

    @_function_names.default
    def _reserve_names(self) -> set[str]:
        return set(self.RESERVED_NAMES)

    def use(self, module: str, *names: str) -> None:
        """Import names from a module, or the module itself (``import numpy as np``).

        Parameters
        ----------
        module : str
            The module, with ``as`` if it is renamed.
        *names : str
            The names to import; if empty, the module itself is imported.
        """
        self._imports.setdefault(module, set()).update(names)

    def constant(self, name: str, code: str) -> str:
        """Define a constant at the top of the program.

        Parameters
        ----------
        name : str
            The preferred name.
        code : str
            The code of its value.

        Returns
        -------
        str
            The name of the constant, with a number if another value has the preferred name.
        """
        base = _identifier(name.upper())
        number, free_name = 1, base
        while self._constants.setdefault(free_name, code) != code:
            number += 1
            free_name = f"{base}_{number}"
        return free_name

    def local(self, name: str) -> str:
        """Return an unused name for a variable of the current function, and reserve it.

        Parameters
        ----------
        name : str
            The preferred name.

        Returns
        -------
        str
            The name, with a number if the preferred name is already used.
        """
        return _free_name(name, self._locals)

    def name(self, name: str) -> str:
        """Return an unused name for a function of the program, and reserve it.

        Parameters
        ----------
        name : str
            The preferred name.

        Returns
        -------
        str
            The name, with a number if the preferred name is already used.
        """
        return _free_name(name, self._function_names)

    def quantity(self, value: u.Quantity) -> str:
        """Return the code of a quantity, and import its units.

        Parameters
        ----------
        value : Quantity
            The quantity.

        Returns
        -------
        str
            The code.
        """
        self.use("astropy", "units as u")
        return quantity_code(value)

    def time(self, value: Instant) -> str:
        """Return the code of a point in time, and import ``Time``.

        Parameters
        ----------
        value : Instant
            The point in time.

        Returns
        -------
        str
            The code.
        """
        self.use("astropy.time", "Time")
        return time_code(value)

    def position(self, name: str, value: Position) -> str:
        """Define a position as a constant.

        Parameters
        ----------
        name : str
            The preferred name of the constant.
        value : Position
            The position.

        Returns
        -------
        str
            The name of the constant.
        """
        self.use("astropy", "units as u")
        self.use("astropy.coordinates", "SkyCoord")
        return self.constant(name, position_code(value))

    def regions(self, name: str, value: Regions, item: str = "") -> str:
        """Define regions as a constant.

        Parameters
        ----------
        name : str
            The preferred name of the constant.
        value : Regions
            The regions.
        item : str
            An index such as ``[0]`` for one region; by default the list of all regions.

        Returns
        -------
        str
            The name of the constant.
        """
        self.use("regions", "Regions")
        for source in value.files:
            self.path(source)
        return self.constant(name, regions_code(value.sources) + item)

    def path(self, location: str) -> str:
        """Return the code of a path; its variables are expanded when the program runs.

        Parameters
        ----------
        location : str
            The path.

        Returns
        -------
        str
            The code.
        """
        code = path_code(location)
        if code.startswith("make_path"):
            self.use("gammapy.utils.scripts", "make_path")
        return code

    def shared(self, head: str, doc: str, *lines: str) -> str:
        """Define a function for several parts of the program, unless an identical one exists.

        Parameters
        ----------
        head : str
            The name and arguments of the function.
        doc : str
            The docstring of the function.
        *lines : str
            The lines of its body, not indented.

        Returns
        -------
        str
            The name of the function, with a number if another function has the preferred name.
        """
        content = (head, doc, *lines)
        if content not in self._shared:
            preferred_name, parenthesis, arguments = head.partition("(")
            name = self._shared[content] = self.name(preferred_name)
            body = [INDENT + line for line in lines]
            self._functions.append(function_code(f"{name}{parenthesis}{arguments}", doc, body))
        return self._shared[content]

    def _add_function(self, head: str, doc: str, body: Iterable[str]) -> None:
        """Add a complete function; the names of its variables can be used again."""
        self._functions.append(function_code(head, doc, body))
        self._locals.clear()

    def text(self, doc: Sequence[str]) -> str:
        """Return the complete program.

        Parameters
        ----------
        doc : sequence of str
            The lines of the docstring of the program.

        Returns
        -------
        str
            The source code.
        """
        constants = [
            line for name, code in self._constants.items() for line in lay_out(f"{name} = {code}")
        ]
        head = [docstring_code("\n".join([*doc, ""])), "\n".join(import_lines(self._imports))]
        parts = ["\n\n".join([*head, *(["\n".join(constants)] if constants else [])])]
        parts += [*self._functions, 'if __name__ == "__main__":\n    main()\n']
        return "\n\n\n".join(parts)


def _identifier(name: str) -> str:
    identifier = re.sub(r"\W+", "_", name).strip("_")
    if keyword.iskeyword(identifier):
        return f"{identifier}_"
    return identifier if identifier.isidentifier() else f"_{identifier}"


def _free_name(name: str, used_names: set[str]) -> str:
    """Convert a name to an unused identifier, with a number if needed, and mark it as used."""
    base = _identifier(name.lower())
    free_name, number = base, 1
    while free_name in used_names:
        number += 1
        free_name = f"{base}_{number}"
    used_names.add(free_name)
    return free_name
