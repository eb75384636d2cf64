"""The script of an analysis with gammapy, to which components add their statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from skyred.errors import warn_of_old_name
from skyred.scripting.layout import INDENT
from skyred.scripting.program import PythonProgram
from skyred.scripting.statements import Block


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
class Script(PythonProgram):
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
    models : sequence of Model
        The components that build the models.
    """

    RESERVED_NAMES = ("build_models", "fit_models", "main")

    body: Block = attrs.field(factory=_body)
    loop: Block = attrs.field(factory=_loop)
    end: Block = attrs.field(factory=_body)
    entry: str = ""
    reduction: Any = None
    cuts: list[tuple[str, ...]] = attrs.field(factory=list)
    on_off: bool = False
    datasets: str = "datasets"
    all_datasets: list[ScriptDatasets] = attrs.field(factory=list)
    models: Sequence[Any] = ()
    _parameters: dict[str, str] = attrs.field(factory=dict, init=False)  # code by link label

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

    def function(self, head: str, doc: str) -> None:
        """Complete a function with all statements since the previous function.

        Parameters
        ----------
        head : str
            The name and arguments of the function.
        doc : str
            The docstring of the function.
        """
        lines = list(self.body.lines)
        if self.loop.lines:
            lines += ["", f"{INDENT}for observation in observations:", *self.loop.lines, ""]
        lines += self.end.lines
        self._add_function(head, doc, lines[1:] if lines and not lines[0] else lines)
        self.body, self.loop, self.end = _body(), _loop(), _body()
