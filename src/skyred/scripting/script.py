"""The generated script: imports, constants and functions."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from skyred.errors import warn_of_old_name
from skyred.scripting.layout import INDENT, WIDTH, lay_out
from skyred.scripting.literals import (
    path_code,
    position_code,
    quantity_code,
    regions_code,
    time_code,
)

if TYPE_CHECKING:
    from astropy import units as u

    from skyred.fields import Instant, Position, Regions

FUNCTIONS = ("build_models", "fit_models", "main")  # reserved names of functions
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


@attrs.frozen
class ScriptDatasets:
    """The datasets that the script creates for a data entry.

    Parameters
    ----------
    name : str
        The name of the dataset, or a pattern for the names of several datasets.
    is_map, on_off : bool
        Whether the datasets are maps, and whether they have off counts. Datasets from a
        ``datasets.yaml`` are assumed to be maps without off counts.
    single : bool
        Whether there is a single dataset.
    """

    name: str
    is_map: bool
    on_off: bool
    single: bool


def _body() -> Block:
    return Block(INDENT)


def _loop() -> Block:
    return Block(2 * INDENT)


@attrs.define(eq=False)
class Script:
    """A plain gammapy script, to which each component adds its statements.

    In the code of a data entry, ``table`` is the observation table (for selectors), ``geom``
    and ``target`` are the geometry and its empty dataset, and ``dataset`` and ``observation`` are
    the dataset and the observation of the current run. Models are appended to ``models``.
    Estimators use ``datasets`` and write to ``folder``.

    Parameters
    ----------
    body : Block
        The current function; in a data entry, the statements before the loop over runs.
    loop : Block
        The statements of the loop over runs.
    end : Block
        The statements after the loop.
    entry : str
        The name of the datasets of the current data entry.
    reduction : Reduction or None
        The current data entry; None if its datasets are read from files.
    cuts : list of tuple of str
        The code of the start and stop of each time window; runs are cut to their intersection.
    on_off : bool
        Whether the datasets of the data entry have off counts.
    datasets : str
        The code of the entry's datasets: by default the variable ``datasets``.
    all_datasets : list of ScriptDatasets
        The datasets of all entries, for estimators.
    imports : dict of str to set of str
        The imported names by module; see `use`.
    constants : dict of str to str
        The code of constants by name; see `constant`.
    functions : list of str
        The code of complete functions; see `function`.
    names : set of str
        The names of the functions of the script; see `name`.
    shared : dict of str to str
        The names of shared functions by their code; see `shared`.
    parameters : dict of str to str
        The first parameter of each link label; see `first_linked_parameter`.
    locals : set of str
        The names of the variables of the current function; see `local`.
    """

    body: Block = attrs.field(factory=_body)
    loop: Block = attrs.field(factory=_loop)
    end: Block = attrs.field(factory=_body)
    entry: str = ""
    reduction: Any = None
    cuts: list[tuple[str, ...]] = attrs.field(factory=list)
    on_off: bool = False
    datasets: str = "datasets"
    all_datasets: list[ScriptDatasets] = attrs.field(factory=list)
    _imports: dict[str, set[str]] = attrs.field(factory=dict)
    _constants: dict[str, str] = attrs.field(factory=dict)
    _functions: list[str] = attrs.field(factory=list)
    _names: set[str] = attrs.field(factory=lambda: set(FUNCTIONS))
    _shared: dict[str, str] = attrs.field(factory=dict)
    _parameters: dict[str, str] = attrs.field(factory=dict)
    _locals: set[str] = attrs.field(factory=set)

    # -- for components -----------------------------------------------------------------------

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
        """Define a constant at the top of the script.

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
        """Return an unused name for a function of the script, and reserve it.

        Parameters
        ----------
        name : str
            The preferred name.

        Returns
        -------
        str
            The name, with a number if the preferred name is already used.
        """
        return _free_name(name, self._names)

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
        """Return the code of a path; its variables are expanded when the script runs.

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

    def place(self, location: str) -> str:
        """Return the code of a path (old name of `path`).

        Parameters
        ----------
        location : str
            The path.

        Returns
        -------
        str
            The code.
        """
        warn_of_old_name("Script.place", "Script.path")
        return self.path(location)

    def draw(self, code: str, plot: str) -> None:
        """Add statements that draw a figure and save it in the folder.

        Parameters
        ----------
        code : str
            A statement that draws on ``axes``.
        plot : str
            The name of the file without its extension.
        """
        self.use("matplotlib.pyplot as plt")
        self.body.add(
            'figure, axes = plt.subplots(layout="constrained")',
            code,
            f'figure.savefig(folder / "{plot}.png")',
        )

    def on_off_type(self) -> str:
        """Return the class of gammapy's datasets with off counts for the current geometry.

        Returns
        -------
        str
            The name of the class.
        """
        is_spectrum = self.reduction.geometry.dataset_type == "spectrum"
        return "SpectrumDatasetOnOff" if is_spectrum else "MapDatasetOnOff"

    def add_datasets(self, *, single: bool) -> None:
        """Register the datasets of the current entry.

        Parameters
        ----------
        single : bool
            Whether there is a single dataset, named after the entry, or several, whose names start
            with that of the entry and a hyphen.
        """
        is_map = self.reduction.geometry.dataset_type != "spectrum"
        name = self.entry if single else f"{self.entry}-*"
        self.all_datasets.append(ScriptDatasets(name, is_map, self.on_off, single))

    def first_linked_parameter(self, label: str, parameter: str) -> str | None:
        """Return the first parameter with a link label.

        Parameters
        ----------
        label : str
            The link label.
        parameter : str
            The code of a parameter with this label.

        Returns
        -------
        str or None
            The code of the first parameter; None if `parameter` is the first.
        """
        first_parameter = self._parameters.setdefault(label, parameter)
        return None if first_parameter == parameter else first_parameter

    def shared(self, head: str, doc: str, *lines: str) -> str:
        """Define a function for several parts of the script, unless an identical one exists.

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
        code = "\n".join([_function_head(head, doc), *(INDENT + line for line in lines)])
        if code not in self._shared:
            preferred_name = head.split("(", maxsplit=1)[0]
            name = self._shared[code] = self.name(preferred_name)
            self._functions.append(f"def {name}{code.removeprefix(f'def {preferred_name}')}")
        return self._shared[code]

    # -- output ------------------------------------------------------------------------------

    def function(self, head: str, doc: str) -> None:
        """Complete a function with all statements since the previous function.

        Parameters
        ----------
        head : str
            The name and arguments of the function.
        doc : str
            The docstring of the function.
        """
        self._functions.append("\n".join([_function_head(head, doc), *self._body_lines()]))
        self.body, self.loop, self.end = _body(), _loop(), _body()
        self._locals.clear()

    def _body_lines(self) -> list[str]:
        lines = list(self.body.lines)
        if self.loop.lines:
            lines += ["", f"{INDENT}for observation in observations:", *self.loop.lines, ""]
        lines += self.end.lines
        return lines[1:] if lines and not lines[0] else lines

    def text(self, doc: Sequence[str]) -> str:
        """Return the complete script.

        Parameters
        ----------
        doc : sequence of str
            The lines of the docstring of the script.

        Returns
        -------
        str
            The source code.
        """
        constants = [
            line for name, code in self._constants.items() for line in lay_out(f"{name} = {code}")
        ]
        head = [_docstring("\n".join([*doc, ""])), "\n".join(self._import_lines())]
        parts = ["\n\n".join([*head, *(["\n".join(constants)] if constants else [])])]
        parts += [*self._functions, 'if __name__ == "__main__":\n    main()\n']
        return "\n\n\n".join(parts)

    def _import_lines(self) -> list[str]:
        def is_standard(item: tuple[str, set[str]]) -> bool:
            return item[0].split(".")[0] in STANDARD_MODULES

        items = sorted(self._imports.items(), key=lambda item: (bool(item[1]), item[0].lower()))
        groups = [
            [
                line
                for item in items
                if is_standard(item) == standard
                for line in _import_statement(*item)
            ]
            for standard in (True, False)
        ]
        return [*groups[0], *([""] if all(groups) else []), *groups[1]]


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


def _function_head(head: str, doc: str) -> str:
    return f"def {head}:\n{INDENT}{_docstring(doc)}"


def _docstring(content: str) -> str:
    """Quote a docstring, and escape quotes and backslashes."""
    return '"""' + re.sub(r'"(?="|\Z)', r'\\"', content.replace("\\", r"\\")) + '"""'


def _import_statement(module: str, names: set[str]) -> list[str]:
    if not names:
        return [f"import {module}"]
    # constants first, then classes, then functions, as isort does
    names_code = ", ".join(
        sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name.lower()))
    )
    line = f"from {module} import {names_code}"
    return [line] if len(line) <= WIDTH else lay_out(f"from {module} import ({names_code})")
