"""Reference pages of the counterparts of gammapy's and asgardpy's classes and options.

As a Sphinx extension it writes them to ``docs/reference/generated`` before a build; `write_pages`
writes them to any folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import skyred
from skyred.conversion.counterparts import (
    ClassCounterpart,
    Counterpart,
    class_counterparts,
    option_counterparts,
)

HEADER = ("| {} | in skyred |", "|---|---|")
PROGRAMS = {
    "gammapy": "the options of gammapy's `AnalysisConfig` and `WorkflowConfig`",
    "asgardpy": "the options of asgardpy 0.5.3",
}


def write_pages(folder: Path) -> list[Path]:
    """Write all pages and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"from_{program}": options_page(program) for program in PROGRAMS}
    pages["gammapy_classes"] = classes_page()
    paths = []
    for name, lines in pages.items():
        path = folder / f"{name}.md"
        content = "\n".join(lines).rstrip() + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")  # unchanged pages are not built again
        paths.append(path)
    return paths


def options_page(program: str) -> Iterator[str]:
    """Yield the lines of the page of the options of a program."""
    yield from (f"# Options of {program}", "", f"This page lists {PROGRAMS[program]} beside their "
                "counterparts. `skyred convert` converts them; see [From gammapy to skyred]"
                "(../../how-to/from-gammapy.md).", "")  # fmt: skip
    yield HEADER[0].format("option")
    yield HEADER[1]
    for counterpart in option_counterparts(program).values():
        yield f"| `{counterpart.name}` | {describe(counterpart)} |"


def classes_page() -> Iterator[str]:
    """Yield the lines of the page of gammapy's classes and their arguments."""
    yield from ("# Classes of gammapy", "", "The classes of gammapy, and the arguments of its "
                "makers, estimators and `Fit`, beside their counterparts. `skyred show CLASS` "
                "prints the counterpart of a class.", "")  # fmt: skip
    entries = list(class_counterparts().values())
    for module in dict.fromkeys(entry.module for entry in entries):
        yield from (f"## `{module}`", "", HEADER[0].format("class"), HEADER[1])
        selected = [entry for entry in entries if entry.module == module]
        for entry in selected:
            yield f"| `{entry.counterpart.name}` | {describe(entry.counterpart)} |"
        yield ""
        for entry in selected:
            yield from arguments(entry)


def arguments(entry: ClassCounterpart) -> Iterator[str]:
    """Yield the table of the arguments of a class; nothing if there are none."""
    if entry.arguments:
        name = entry.counterpart.name
        yield from (f"### `{name}`", "", HEADER[0].format("argument"), HEADER[1])
        for argument in entry.arguments.values():
            yield f"| `{argument.name}` | {describe(argument, is_argument=True)} |"
        yield ""


def describe(counterpart: Counterpart, *, is_argument: bool = False) -> str:
    """Return the description of a counterpart in Markdown."""
    if counterpart.reason:
        return f"none: {counterpart.reason}"
    components = "" if is_argument and counterpart.option else ", ".join(
        "data entry" if kind == "DATA" else f"`{kind}`" for kind in counterpart.components
    )  # fmt: skip
    option = f"`{counterpart.option}`" if counterpart.option else ""
    parts = [part for part in (components, option) if part]
    description = ": ".join(parts)
    if counterpart.note:
        description = f"{description} ({counterpart.note})" if description else counterpart.note
    return description


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before Sphinx reads its sources."""
    app.connect(
        "builder-inited", lambda app: write_pages(Path(app.srcdir, "reference", "generated"))
    )
    return {"version": skyred.__version__, "parallel_read_safe": True}
