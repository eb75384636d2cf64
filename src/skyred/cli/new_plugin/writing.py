"""The files of a new plugin, created from templates."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from sys import stdlib_module_names

import attrs

import skyred
from skyred.cli.new_plugin.example import example
from skyred.config import dump
from skyred.errors import OutputError

IMPORTED_NAMES = {*skyred.__all__, *("Models", "SkyModel", "Table", "Datasets")}
MAX_LINE_LENGTH = 88  # the default of most formatters


@attrs.frozen
class Draft:
    """A component to create.

    Parameters
    ----------
    role, kind : str
        Role and kind of the component.
    """

    role: str
    kind: str

    @property
    def name(self) -> str:
        """Name of the class: the kind, with the role appended if templates may import the name."""
        name = "".join(word.capitalize() for word in self.kind.split("-"))
        return name + self.role.capitalize() * (name in IMPORTED_NAMES)


def write_file(path: Path, drafts: Sequence[Draft]) -> Path:
    """Write a one-file plugin, and an example configuration next to it.

    Parameters
    ----------
    path : Path
        The file of the plugin.
    drafts : sequence of Draft
        The components.

    Returns
    -------
    Path
        The file of the plugin.

    Raises
    ------
    OutputError
        If one of the files exists.
    """
    yaml_path = path.with_suffix(".yaml")
    _raise_if_existing(path, yaml_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(module_text(drafts), encoding="utf-8")
    yaml_path.write_text(_example_yaml(drafts), encoding="utf-8")
    return path


def write_package(parent: Path, name: str, drafts: Sequence[Draft]) -> Path:
    """Write a distribution with a package, a test, an example configuration and a README.

    Parameters
    ----------
    parent : Path
        The folder in which the folder of the distribution is created.
    name : str
        The name of the distribution.
    drafts : sequence of Draft
        The components.

    Returns
    -------
    Path
        The folder of the distribution.

    Raises
    ------
    OutputError
        If the folder exists.
    """
    folder, module = parent / name, name.replace("-", "_")
    _raise_if_existing(folder)
    for path, content in _package_files(name, module, drafts).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    return folder


def module_text(drafts: Sequence[Draft]) -> str:
    """Return the source code of the module of a plugin.

    Parameters
    ----------
    drafts : sequence of Draft
        The components.

    Returns
    -------
    str
        The imports, the classes of the components, and the hook.
    """
    heads, bodies = zip(*(_component_parts(draft) for draft in drafts), strict=True)
    class_list = _wrap_names("    return [", [draft.name for draft in drafts], "]")
    hook = f"@hookimpl\ndef skyred_components():\n{class_list}\n"
    return "\n\n\n".join([f'"""{_title(drafts)}"""\n\n{_format_imports(heads)}', *bodies, hook])


def _package_files(name: str, module: str, drafts: Sequence[Draft]) -> dict[str, str]:
    names = sorted(draft.name for draft in drafts)
    major, minor, *_ = skyred.__version__.split(".")
    replacements = {
        "distribution": name,
        "module": module,
        "plugin": name.removeprefix("skyred-"),
        "version": f"{major}.{minor}",
        "next_version": f"{major}.{int(minor) + 1}",
        "import": _format_import(module, names),
        "components": _wrap_names("COMPONENTS = [", names, "]"),
        "summary": ", ".join(f"the {draft.role} `{draft.kind}`" for draft in drafts),
        "kind": drafts[0].kind,
        "engine": next((f" --engine {d.kind}" for d in drafts if d.role == "engine"), ""),
    }
    return {
        "pyproject.toml": _template("pyproject").substitute(replacements),
        "README.md": _template("readme").substitute(replacements),
        "example.yaml": _example_yaml(drafts),
        f"src/{module}/__init__.py": module_text(drafts),
        "tests/test_components.py": _template("test").substitute(replacements),
    }


def _template(name: str) -> Template:
    file = files("skyred.cli.new_plugin") / "templates" / f"{name}.txt"
    return Template(file.read_text(encoding="utf-8"))


def _component_parts(draft: Draft) -> tuple[str, str]:
    """Return the parts of the source code of a component.

    Returns
    -------
    imports, definition : str
        The imports and the class.
    """
    source = _template(draft.role).substitute(name=draft.name, kind=draft.kind)
    head, body = source.split("\n\n\n", 1)
    return head, body.rstrip("\n")


def _title(drafts: Sequence[Draft]) -> str:
    if len(drafts) == 1:
        return f"skyred plugin with the {drafts[0].role} {drafts[0].kind}."
    return f"skyred plugin with {len(drafts)} components."


def _format_imports(heads: Sequence[str]) -> str:
    """Return the imports of all components without duplicates; the standard library is first."""
    lines = {line for head in heads for line in head.split("\n") if line}
    skyred_lines = {line for line in lines if line.startswith("from skyred import ")}
    names = {name for line in skyred_lines for name in line.split(" import ")[1].split(", ")}
    sorted_names = sorted({*names, "hookimpl"}, key=lambda name: (name[0].islower(), name))
    stdlib_lines = {line for line in lines if line.split()[1].split(".")[0] in stdlib_module_names}
    other_lines = {*(lines - skyred_lines - stdlib_lines), _format_import("skyred", sorted_names)}
    groups = (sorted(group, key=_import_order) for group in (stdlib_lines, other_lines) if group)
    return "\n\n".join("\n".join(group) for group in groups)


def _import_order(line: str) -> tuple[bool, str]:
    return (line.startswith("from "), line)


def _format_import(module: str, names: Sequence[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= MAX_LINE_LENGTH:
        return line
    return _wrap_names(f"from {module} import (", names, ")")


def _wrap_names(head: str, names: Sequence[str], tail: str) -> str:
    """Return names on one line, or one per line if they do not fit on one line."""
    line = head + ", ".join(names) + tail
    if len(line) <= MAX_LINE_LENGTH:
        return line
    indent = " " * (len(head) - len(head.lstrip()))
    return "\n".join([head, *(f"{indent}    {name}," for name in names), indent + tail])


def _example_yaml(drafts: Sequence[Draft]) -> str:
    return "# An analysis of a simulated source, to try the plugin.\n" + dump(example(drafts))


def _raise_if_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise OutputError(f"{path} already exists; choose another name, or remove it")
