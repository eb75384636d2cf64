"""The source code of a new plugin and of its tests, from the templates of its components."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from keyword import iskeyword
from string import Template
from sys import stdlib_module_names

import attrs

import skyred

COMPONENT_ROLES = (
    *("selector", "geometry", "maker", "stacker"),
    *("model", "fitter", "estimator", "engine"),
)
ROLES = (*COMPONENT_ROLES, "spectral-model", "archive", "observer", "command")
IMPORTED_NAMES = {  # by the templates
    *skyred.__all__,
    *(
        "CliRunner",
        "Datasets",
        "ExpCutoffPowerLaw3FGLSpectralModel",
        "Fit",
        "MapAxis",
        "MapDataset",
    ),
    *("Models", "Parameter", "Path", "PointSpatialModel", "ProcessPoolExecutor", "SimpleNamespace"),
    *("SkyModel", "SpectralModel", "Table", "WcsGeom"),
}
MAX_LINE_LENGTH = 88  # the default of most formatters


@attrs.frozen
class Draft:
    """A component, model class, archive, observer or command to create.

    Parameters
    ----------
    role : str
        One of `ROLES`.
    kind : str
        The kind of a component, the type of a model class, the scheme of an archive, the name of
        an observer or a command.
    """

    role: str
    kind: str

    @property
    def name(self) -> str:
        """Name of the class: the kind, with the role appended if the name is already used."""
        name = "".join(word.capitalize() for word in self.kind.split("-"))
        is_used = name in IMPORTED_NAMES or iskeyword(name)
        return name + self.role.title().replace("-", "") * is_used

    @property
    def function(self) -> str:
        """Name of a function: the kind, with the role appended if it is a single word."""
        name = self.kind.replace("-", "_")
        return name if "_" in name else f"{name}_{self.role.replace('-', '_')}"

    @property
    def tags(self) -> tuple[str, str]:
        """Tags of a model class in gammapy's registry."""
        return (f"{self.name}SpectralModel", self.kind)

    @property
    def is_component(self) -> bool:
        """Whether it is a component class."""
        return self.role in COMPONENT_ROLES


def read_template(name: str) -> Template:
    """Return a template.

    Parameters
    ----------
    name : str
        The path of the file in ``templates``, without ``.txt``.

    Returns
    -------
    string.Template
        The template.
    """
    file = files("skyred.cli.new_plugin") / "templates" / f"{name}.txt"
    return Template(file.read_text(encoding="utf-8"))


def module_source(drafts: Sequence[Draft], models_module: str = "") -> str:
    """Return the source code of the module of a plugin, without its commands.

    Parameters
    ----------
    drafts : sequence of Draft
        The components, model classes, and at most one archive and one observer.
    models_module : str
        The module with the model classes; by default they are in the same module.

    Returns
    -------
    str
        The imports, the classes of the components, and the hooks.
    """
    models = [draft for draft in drafts if draft.role == "spectral-model"]
    own = [draft for draft in drafts if draft not in models or not models_module]
    parts = [_parts("components", draft, "") for draft in own]
    imports, bodies = [part[0] for part in parts], [part[1] for part in parts]
    if models:
        imports.append(f"from skyred import {'ModelClass, ' * bool(models_module)}hookimpl")
        bodies.append(_models_hook(models, models_module))
    if names := [draft.name for draft in drafts if draft.is_component]:
        class_list = wrap_names("    return [", names, "]")
        imports.append("from skyred import hookimpl")
        bodies.append(f"@hookimpl\ndef skyred_components():\n{class_list}\n")
    return _join(describe(drafts), imports, bodies)


def models_source(drafts: Sequence[Draft]) -> str:
    """Return the source code of the module with the model classes of a package.

    Parameters
    ----------
    drafts : sequence of Draft
        The model classes.

    Returns
    -------
    str
        The imports and the classes.
    """
    parts = [_parts("components", draft, "") for draft in drafts]
    title = "Spectral models. This module is only imported when one of them is used."
    return _join(title, [head for head, _ in parts], [body for _, body in parts])


def _models_hook(models: Sequence[Draft], module: str) -> str:
    lines = ["@hookimpl", "def skyred_models():"]
    if not module:
        return "\n".join(
            [*lines, wrap_names("    return [", [draft.name for draft in models], "]")]
        )
    lines.append("    return [")
    for draft in models:
        lines += [
            "        ModelClass(",
            f'            "{module}:{draft.name}",',
            '            tag=("{}", "{}"),'.format(*draft.tags),
            '            doc="A power law with a cutoff.",',
            "        ),",
        ]
    return "\n".join([*lines, "    ]"])


def commands_source(drafts: Sequence[Draft]) -> str:
    """Return the source code of the module with the commands of a plugin.

    Parameters
    ----------
    drafts : sequence of Draft
        The commands.

    Returns
    -------
    str
        The imports, the commands, and the hook.
    """
    parts = [_parts("components", draft, "") for draft in drafts]
    calls = [f"    cli.add_command({draft.function})" for draft in drafts]
    hook = "\n".join(["@hookimpl", "def skyred_commands(cli):", *calls, ""])
    bodies = [*(body for _, body in parts), hook]
    title = "Commands. Slow modules are imported inside them, because skyred --help imports this."
    return _join(title, [head for head, _ in parts], bodies)


def tests_source(drafts: Sequence[Draft], module: str) -> str:
    """Return the source code of the tests that compare with gammapy.

    Parameters
    ----------
    drafts : sequence of Draft
        The components, archives, observers and commands.
    module : str
        The name of the package.

    Returns
    -------
    str
        The imports and the tests.
    """
    parts = [_parts("tests", draft, module) for draft in drafts]
    title = "Numbers are compared with plain gammapy or with a formula."
    return _join(title, [head for head, _ in parts], [body for _, body in parts], module)


def describe(drafts: Sequence[Draft]) -> str:
    """Return the first line of the docstring of a module.

    Parameters
    ----------
    drafts : sequence of Draft
        The contents of the module.

    Returns
    -------
    str
        One sentence.
    """
    if len(drafts) == 1:
        role = drafts[0].role.replace("-", " ")
        return f"skyred plugin with the {role} {drafts[0].kind}."
    return f"skyred plugin with {len(drafts)} components." if drafts else "skyred plugin."


def format_import(module: str, names: Sequence[str]) -> str:
    """Return an import, on several lines if it is long.

    Parameters
    ----------
    module : str
        The module.
    names : sequence of str
        The names, sorted.

    Returns
    -------
    str
        The code.
    """
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= MAX_LINE_LENGTH:
        return line
    return wrap_names(f"from {module} import (", names, ")")


def wrap_names(head: str, names: Sequence[str], tail: str) -> str:
    """Return names on one line, or one per line if they do not fit on one line.

    Parameters
    ----------
    head, tail : str
        The code before and after the names.
    names : sequence of str
        The names.

    Returns
    -------
    str
        The code.
    """
    line = head + ", ".join(names) + tail
    if len(line) <= MAX_LINE_LENGTH:
        return line
    indent = " " * (len(head) - len(head.lstrip()))
    return "\n".join([head, *(f"{indent}    {name}," for name in names), indent + tail])


def _parts(folder: str, draft: Draft, module: str) -> tuple[str, str]:
    """Return the imports and the definitions in a template."""
    values = {"name": draft.name, "kind": draft.kind, "function": draft.function, "module": module}
    source = read_template(f"{folder}/{draft.role}").substitute(values)
    head, separator, body = source.partition("\n\n\n")
    return head, body.rstrip("\n") if separator else ""


def _join(title: str, heads: Sequence[str], bodies: Sequence[str], module: str = "") -> str:
    imports = _format_imports(heads, module)
    sections = ["\n\n".join(filter(None, [f'"""{title}"""', imports])), *bodies]
    return "\n\n\n".join(section.rstrip("\n") for section in sections) + "\n"


def _format_imports(heads: Sequence[str], own_module: str) -> str:
    """Return all imports without duplicates: standard library, other packages, own module."""
    names: dict[str, set[str]] = {}  # by module
    lines = {line for head in heads for line in head.split("\n") if line}
    for line in [line for line in lines if line.startswith("from ")]:
        module, imported = line.removeprefix("from ").split(" import ")
        names.setdefault(module, set()).update(imported.split(", "))
    imports = {line for line in lines if line.startswith("import ")} | {
        format_import(module, sorted(imported, key=_name_order))
        for module, imported in names.items()
    }
    groups: tuple[list[str], ...] = ([], [], [])
    for line in sorted(imports, key=_import_order):
        package = line.split()[1].split(".")[0]
        groups[0 if package in stdlib_module_names else 2 if package == own_module else 1].append(
            line
        )
    return "\n\n".join("\n".join(group) for group in groups if group)


def _name_order(name: str) -> tuple[bool, str]:
    return (name[0].islower(), name)


def _import_order(line: str) -> tuple[bool, str]:
    return (line.startswith("from "), line.split()[1])
