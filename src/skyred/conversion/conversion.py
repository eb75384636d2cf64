"""Convert a configuration of gammapy or asgardpy, and write it with comments."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from skyred.config import Document, config_error, dump, read_content_and_name
from skyred.conversion.asgardpy import convert_asgardpy
from skyred.conversion.gammapy import convert_gammapy
from skyred.conversion.source import SkippedSetting, Source
from skyred.errors import ConfigError, Problem

if TYPE_CHECKING:
    from skyred.pipeline import Pipeline
    from skyred.plugins import Plugins

WIDTH = 98
SECTIONS = {  # top-level keys that identify the program
    "asgardpy": {"target", "dataset1d", "dataset3d", "fit_params", "flux_points_params"},
    "gammapy": {
        "observations", "datasets", "fit", "flux_points", "excess_map", "light_curve", "general",
    },
}  # fmt: skip
CONVERTERS: Mapping[str, Callable[[Source, str | None], tuple[dict[str, Any], list[str]]]] = {
    "gammapy": convert_gammapy,
    "asgardpy": convert_asgardpy,
}


@attrs.frozen
class Conversion:
    """A converted configuration.

    Parameters
    ----------
    yaml : str
        The configuration of skyred, with comments.
    program : {"gammapy", "asgardpy"}
        The program of the original configuration.
    skipped : tuple of SkippedSetting
        The settings that are not converted.
    arguments : tuple of str
        Arguments of ``skyred run`` that replace settings of the original configuration.
    """

    yaml: str
    program: str
    skipped: tuple[SkippedSetting, ...]
    arguments: tuple[str, ...]

    def pipeline(self, plugins: Plugins | None = None) -> Pipeline:
        """Return the converted analysis.

        Parameters
        ----------
        plugins : Plugins, optional
            The plugins to use; by default all installed plugins.

        Returns
        -------
        Pipeline
            The pipeline, checked.

        Raises
        ------
        ConfigError
            If skyred refuses the configuration.
        """
        from skyred.pipeline import Pipeline

        return Pipeline.from_yaml(self.yaml, plugins=plugins)


def convert(source: str | Path, models: str | Path | None = None) -> Conversion:
    """Convert a configuration of gammapy's `Analysis` or `Workflow`, or of asgardpy.

    Parameters
    ----------
    source : str or Path
        The path of the YAML file, or a YAML string (with a line break, or starting with ``{``).
    models : str or Path, optional
        A file with models in gammapy's YAML format. gammapy's `Analysis` reads the models with
        `Analysis.read_models`, so that its configuration does not contain them.

    Returns
    -------
    Conversion
        The configuration of skyred, and the settings that are not converted.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is not a valid configuration of gammapy or asgardpy.
    """
    from gammapy.utils.scripts import from_yaml

    content, name = read_content_and_name(source)
    document = Document.parse(content, name)
    if document.problems:
        raise config_error(document.problems, document)
    program = _find_program(document.data if document.data is not None else {}, document.name)
    data = from_yaml(content)  # with the words of YAML 1.1, such as yes, as in gammapy
    original = Source(document, data)
    pipeline, arguments = CONVERTERS[program](original, None if models is None else str(models))
    if original.problems:
        raise config_error(original.problems, document)
    original.skip_all_others()
    skipped = sorted(original.skipped, key=lambda setting: (setting.line, setting.column))
    yaml = "".join(_comments(document.name, program, skipped, arguments)) + dump(pipeline)
    return Conversion(yaml, program, tuple(skipped), tuple(arguments))


def _find_program(data: Any, name: str) -> str:
    """Return the program whose configuration has these keys."""
    message, expected = "is not a configuration of gammapy or asgardpy", "expected a mapping"
    if isinstance(data, dict):
        if "data" in data:
            message = "is a configuration of skyred already"
        elif SECTIONS["asgardpy"] & set(data):
            return "asgardpy"
        elif SECTIONS["gammapy"] & set(data):
            return "gammapy"
        keys = ", ".join(sorted(SECTIONS["gammapy"] | SECTIONS["asgardpy"]))
        expected = f"expected at least one of the sections {keys}"
    problem = Problem((), message, expected)
    raise ConfigError([problem], [f"{name}: {problem}"])


def _comments(
    name: str, program: str, skipped: list[SkippedSetting], arguments: list[str]
) -> Iterator[str]:
    """Yield the comment at the top of the converted configuration."""
    yield f"# Converted by `skyred convert` from {name}, a configuration of {program}.\n"
    if arguments:
        yield f"# Run it with: skyred run FILE {' '.join(arguments)}\n"
    for title, changes_results in (
        ("NOT CONVERTED, and may change the results:", True),
        ("Not converted, without effect on the results:", False),
    ):
        selected = [setting for setting in skipped if setting.changes_results is changes_results]
        if selected:
            yield f"# {title}\n"
        for setting in selected:
            description = f"line {setting.line}: {setting}"
            lines = textwrap.wrap(
                description, WIDTH, initial_indent="#   ", subsequent_indent="#     "
            )
            yield from (f"{line}\n" for line in lines)
