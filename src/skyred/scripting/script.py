"""The script while it is written: imports, constants, functions."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from skyred.scripting.layout import INDENT, lay_out
from skyred.scripting.literals import place, position_code, quantity_code, regions_code

if TYPE_CHECKING:
    from astropy import units as u

    from skyred.fields import Position, Regions

FUNCTIONS = ("build_models", "fit_models", "main")  # what the functions of a whole are called
STANDARD = ("os", "sys", "pathlib", "fnmatch", "itertools")


@attrs.define(eq=False)
class Block:
    """Statements, one after the other, below an indentation."""

    indent: str = ""
    lines: list[str] = attrs.field(factory=list)

    def add(self, *statements: str) -> None:
        """Add statements, each written on one line however long; ``""`` is an empty line."""
        for statement in statements:
            self.lines += lay_out(statement, self.indent) if statement else [""]

    @contextmanager
    def inside(self, head: str) -> Iterator[None]:
        """Add the statements of the context below a head such as ``for dataset in datasets:``."""
        self.add(head)
        before, self.indent = self.indent, self.indent + INDENT
        yield
        self.indent = before

    def once(self, *statements: str) -> None:
        """Add statements at the end, unless they are what the block ends with already."""
        laid = Block(self.indent)
        laid.add(*statements)
        if self.lines[-len(laid.lines) :] != laid.lines:
            self.lines += laid.lines


@attrs.frozen
class Made:
    """Datasets that the script makes.

    Parameters
    ----------
    name : str
        How the dataset is called, or how the names of several begin.
    is_map, on_off : bool
        Whether it is a map, and whether it has off counts.
    alone : bool
        Whether it is one dataset.
    """

    name: str
    is_map: bool
    on_off: bool
    alone: bool


def _body() -> Block:
    return Block(INDENT)


def _loop() -> Block:
    return Block(2 * INDENT)


@attrs.define(eq=False)
class Script:
    """A plain gammapy script, to which each component adds what it does.

    While a data entry is written, ``table`` is the table of observations (for selectors),
    ``geom`` and ``target`` are the geometry and the empty dataset of the whole, and ``dataset`` and
    ``observation`` those of one run. Models append to ``models``. Estimators find ``datasets`` and
    the ``folder`` to write to.

    Parameters
    ----------
    body : Block
        What is being written: of a data entry, what comes before its loop over runs.
    loop : Block
        What is done with each run.
    end : Block
        What comes after the loop.
    entry : str
        The data entry that is being written, as its datasets are called.
    reduction : Reduction or None
        The same as it is configured.
    on_off : bool
        Whether the datasets have off counts.
    datasets : str
        What the entry's datasets are, in the end: by default what `datasets` holds.
    datasets_made : list of Made
        Those of all entries, for estimators.
    """

    body: Block = attrs.field(factory=_body)
    loop: Block = attrs.field(factory=_loop)
    end: Block = attrs.field(factory=_body)
    entry: str = ""
    reduction: Any = None
    on_off: bool = False
    datasets: str = "datasets"
    datasets_made: list[Made] = attrs.field(factory=list)
    _imports: dict[str, set[str]] = attrs.field(factory=dict)
    _constants: dict[str, str] = attrs.field(factory=dict)
    _functions: list[str] = attrs.field(factory=list)
    _names: set[str] = attrs.field(factory=lambda: set(FUNCTIONS))
    _shared: dict[str, str] = attrs.field(factory=dict)
    _parameters: dict[str, str] = attrs.field(factory=dict)
    _locals: set[str] = attrs.field(factory=set)

    # -- what components say ------------------------------------------------------------------

    def use(self, module: str, *names: str) -> None:
        """Import names from a module; without names the module itself (``import numpy as np``)."""
        self._imports.setdefault(module, set()).update(names)

    def constant(self, name: str, code: str) -> str:
        """Put a value to the top of the script; gives its name, a further one if that is taken."""
        base = _identifier(name.upper())
        number, chosen = 1, base
        while self._constants.setdefault(chosen, code) != code:
            number += 1
            chosen = f"{base}_{number}"
        return chosen

    def local(self, name: str) -> str:
        """Give a name for a variable of the function that is being written."""
        return _free(name, self._locals)

    def name(self, name: str) -> str:
        """Give a name for a function: no other of the script has it."""
        return _free(name, self._names)

    def quantity(self, value: u.Quantity) -> str:
        """Write a quantity, and import what it takes."""
        self.use("astropy", "units as u")
        return quantity_code(value)

    def position(self, name: str, value: Position) -> str:
        """Make a position a constant."""
        self.use("astropy", "units as u")
        self.use("astropy.coordinates", "SkyCoord")
        return self.constant(name, position_code(value))

    def regions(self, name: str, value: Regions, item: str = "") -> str:
        """Make regions a constant: a list of region objects, or with ``[0]`` the first of them."""
        self.use("regions", "Regions")
        for source in value.files:
            self.place(source)
        return self.constant(name, regions_code(value.sources) + item)

    def place(self, location: str) -> str:
        """Write a path, with variables that are filled in where it runs."""
        code = place(location)
        if code.startswith("make_path"):
            self.use("gammapy.utils.scripts", "make_path")
        return code

    def draw(self, code: str, picture: str) -> None:
        """Add a picture: `code` draws on ``axes``."""
        self.use("matplotlib.pyplot as plt")
        self.body.add(
            'figure, axes = plt.subplots(layout="constrained")',
            code,
            f'figure.savefig(folder / "{picture}.png")',
        )

    def on_off_type(self) -> str:
        """Name gammapy's dataset with off counts that belongs to the geometry."""
        is_spectrum = self.reduction.geometry.dataset_type == "spectrum"
        return "SpectrumDatasetOnOff" if is_spectrum else "MapDatasetOnOff"

    def made(self, *, alone: bool) -> None:
        """Note the datasets of the entry: one, called after it, or several."""
        is_map = self.reduction.geometry.dataset_type != "spectrum"
        self.datasets_made.append(Made(self.entry, is_map, self.on_off, alone))

    def linked(self, label: str, parameter: str) -> str | None:
        """Give the parameter that was the first with a link label; None if it is this one."""
        first = self._parameters.setdefault(label, parameter)
        return None if first == parameter else first

    def shared(self, head: str, doc: str, *lines: str) -> str:
        """Define a function for all entries, once; its lines are indented below it.

        Gives its name: a further one if another function has that of `head`.
        """
        text = "\n".join([_head(head, doc), *(INDENT + each for each in lines)])
        if text not in self._shared:
            wish = head.split("(")[0]
            name = self._shared[text] = self.name(wish)
            self._functions.append(f"def {name}{text.removeprefix(f'def {wish}')}")
        return self._shared[text]

    # -- what they make ----------------------------------------------------------------------

    def function(self, head: str, doc: str) -> None:
        """End a function: of what was written since the last one."""
        self._functions.append("\n".join([_head(head, doc), *self._written()]))
        self.body, self.loop, self.end = _body(), _loop(), _body()
        self._locals.clear()

    def _written(self) -> list[str]:
        lines = list(self.body.lines)
        if self.loop.lines:
            lines += ["", f"{INDENT}for observation in observations:", *self.loop.lines, ""]
        lines += self.end.lines
        return lines[1:] if lines and not lines[0] else lines

    def text(self, doc: Sequence[str]) -> str:
        """Give the whole script; `doc` are the lines of its docstring."""
        constants = [
            line for name, code in self._constants.items() for line in lay_out(f"{name} = {code}")
        ]
        head = [_docstring("\n".join([*doc, ""])), "\n".join(self._import_lines())]
        parts = ["\n\n".join([*head, *(["\n".join(constants)] if constants else [])])]
        parts += [*self._functions, 'if __name__ == "__main__":\n    main()\n']
        return "\n\n\n".join(parts)

    def _import_lines(self) -> list[str]:
        def is_standard(item: tuple[str, set[str]]) -> bool:
            return item[0].split(".")[0] in STANDARD

        items = sorted(self._imports.items(), key=lambda item: (bool(item[1]), item[0].lower()))
        groups = [
            [line for item in items if is_standard(item) == own for line in _import_of(*item)]
            for own in (True, False)
        ]
        return [*groups[0], *([""] if all(groups) else []), *groups[1]]


def _identifier(name: str) -> str:
    found = re.sub(r"\W+", "_", name).strip("_")
    if keyword.iskeyword(found):
        return f"{found}_"
    return found if found.isidentifier() else f"_{found}"


def _free(name: str, taken: set[str]) -> str:
    """Give the identifier of a name, numbered if it is taken, and take it."""
    base = _identifier(name.lower())
    chosen, number = base, 1
    while chosen in taken:
        number += 1
        chosen = f"{base}_{number}"
    taken.add(chosen)
    return chosen


def _head(head: str, doc: str) -> str:
    return f"def {head}:\n{INDENT}{_docstring(doc)}"


def _docstring(text: str) -> str:
    """Quote a text, and escape what would end it or mean something else in it."""
    return '"""' + re.sub(r'"(?="|\Z)', r'\\"', text.replace("\\", r"\\")) + '"""'


def _import_of(module: str, names: set[str]) -> list[str]:
    if not names:
        return [f"import {module}"]
    ordered = sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name.lower()))
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= 88:
        return [line]
    return lay_out(f"from {module} import ({', '.join(ordered)})")
