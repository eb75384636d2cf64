"""Statements of a script: blocks, functions with docstrings, and imports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import attrs

from skyred.scripting.layout import INDENT, WIDTH, lay_out

STANDARD_MODULES = ("os", "sys", "pathlib", "fnmatch", "itertools")


@attrs.define(eq=False)
class Block:
    """Consecutive statements at the same indentation.

    Parameters
    ----------
    indent : str
        The indentation.
    lines : list of str
        The lines so far.
    """

    indent: str = ""
    lines: list[str] = attrs.field(factory=list)

    def add(self, *statements: str) -> None:
        """Add statements, each passed as one line of any length.

        Parameters
        ----------
        *statements : str
            The statements; ``""`` is an empty line.
        """
        for statement in statements:
            self.lines += lay_out(statement, self.indent) if statement else [""]

    @contextmanager
    def inside(self, head: str) -> Iterator[None]:
        """Add a compound statement, with the statements that are added in the context as its body.

        Parameters
        ----------
        head : str
            The header of the compound statement, such as ``for dataset in datasets:``.

        Yields
        ------
        None
            Statements that are added inside the context are indented.
        """
        self.add(head)
        outer_indent, self.indent = self.indent, self.indent + INDENT
        yield
        self.indent = outer_indent

    def once(self, *statements: str) -> None:
        """Add statements, unless the block already ends with the same statements.

        Parameters
        ----------
        *statements : str
            The statements.
        """
        block = Block(self.indent)
        block.add(*statements)
        if self.lines[-len(block.lines) :] != block.lines:
            self.lines += block.lines


def function_code(head: str, doc: str, body: Iterable[str]) -> str:
    """Return the code of a function.

    Parameters
    ----------
    head : str
        The name and arguments of the function.
    doc : str
        The docstring of the function.
    body : iterable of str
        The lines of its body, indented.

    Returns
    -------
    str
        The code.
    """
    return "\n".join([f"def {head}:", f"{INDENT}{docstring_code(doc)}", *body])


def docstring_code(content: str) -> str:
    """Quote a docstring, and escape quotes and backslashes.

    Parameters
    ----------
    content : str
        The docstring.

    Returns
    -------
    str
        The code.
    """
    return '"""' + re.sub(r'"(?="|\Z)', r'\\"', content.replace("\\", r"\\")) + '"""'


def import_lines(names_by_module: Mapping[str, set[str]]) -> list[str]:
    """Return import statements in the order of isort, standard modules first.

    Parameters
    ----------
    names_by_module : mapping of str to set of str
        The names to import from each module; an empty set if the module itself is imported.

    Returns
    -------
    list of str
        The lines.
    """
    items = sorted(names_by_module.items(), key=lambda item: (bool(item[1]), item[0].lower()))
    standard, others = (
        [
            line
            for module, names in items
            if (module.split(".")[0] in STANDARD_MODULES) == is_standard
            for line in _import_statement(module, names)
        ]
        for is_standard in (True, False)
    )
    return [*standard, *([""] if standard and others else []), *others]


def _import_statement(module: str, names: set[str]) -> list[str]:
    if not names:
        return [f"import {module}"]
    # constants first, then classes, then functions, as isort does
    names_code = ", ".join(
        sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name.lower()))
    )
    line = f"from {module} import {names_code}"
    return [line] if len(line) <= WIDTH else lay_out(f"from {module} import ({names_code})")
