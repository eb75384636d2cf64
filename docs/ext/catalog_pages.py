"""Reference pages generated from the code: components, configuration, checks and hooks.

As a Sphinx extension it writes them to ``docs/reference/generated`` before a build; `write_pages`
writes them to any folder. Components of plugins outside this repository are not included.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalog_examples import find_example

import skyred
from skyred import Pipeline, ReducedData, Reduction, hookspecs
from skyred.fields import REQUIRED, FieldSpec, default_of, describe_class, specs
from skyred.inspection.rules import RULES_BY_PART
from skyred.interfaces import ROLES
from skyred.plugins import CatalogEntry, Plugins
from skyred.testing import requirements

PLUGINS = Plugins.load()
INTRODUCTIONS = {
    "selector": "Select observations from their table; under ``select:``, applied in order.",
    "geometry": "Define axes, centre and size of the reduced data; under ``geometry:``.",
    "maker": "Fill the reduced dataset of one observation; under ``make:``, applied in order.",
    "stacker": "Combine the datasets of the observations; under ``stack:``.",
    "model": "Describe sources and background; under ``model:``, combined in order.",
    "fitter": "Fit the free parameters; under ``fit:``.",
    "estimator": "Derive products from fitted datasets; under ``estimate:``, each with a name.",
    "engine": "Run the reduction, and tasks of estimators: ``skyred run --engine KIND``.",
}
HOOK_KINDS = {
    "Registration": ("skyred_components", "skyred_archive", "skyred_commands"),
    "Events of a run": (
        "skyred_run_started",
        "skyred_step_started",
        "skyred_observation_reduced",
        "skyred_task_finished",
        "skyred_step_finished",
        "skyred_run_finished",
    ),
}


def write_pages(folder: Path) -> list[Path]:
    """Write all pages and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"configuration": configuration_page(), "hooks": hooks_page(), "checks": checks_page()}
    pages["inspection"] = inspection_page()
    pages["plugins"] = plugins_page()
    pages |= {plural(role): role_page(role) for role in ROLES}
    written = []
    for name, lines in pages.items():
        path = folder / f"{name}.rst"
        text = "\n".join(lines).rstrip() + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")  # unchanged pages are not built again
        written.append(path)
    return written


def plural(role: str) -> str:
    """Return the plural of a role."""
    return "geometries" if role == "geometry" else f"{role}s"


def role_page(role: str) -> Iterator[str]:
    """Yield the lines of the page of a role, with skyred's components and their options."""
    yield from heading(plural(role).capitalize(), "=")
    yield from (INTRODUCTIONS[role], "")
    yield from (f"To write one, subclass `skyred.{role.capitalize()}`.", "") * (role != "geometry")
    for entry in PLUGINS.catalog:
        if entry.cls.role == role and entry.owner.distribution == "skyred":
            yield from component(entry)


def inspection_page() -> Iterator[str]:
    """Yield the lines of the page of the inspection rules."""
    yield from heading("Inspection rules", "=")
    yield from (
        "``skyred check`` and ``skyred run`` check each run against these rules. A "
        "run with a **fault** is not used, unless ``on_fault: note`` tolerates the fault: gammapy "
        "cannot read the run, or a number is wrong. A **warning** is unusual content, which is "
        "used and reported. A **note** is for information.",
        "",
        "The limits were calibrated with the 240 runs of six reference archives: H.E.S.S. DL3 DR1, "
        "MAGIC with ``RAD_MAX``, CTA 1DC, and FACT, MAGIC (called MAGIC 2013) and VERITAS of the "
        "joint Crab release. None of them has a fault.",
        "",
    )
    for part, rules in RULES_BY_PART.items():
        yield from heading(part, "-")
        for rule in rules:
            yield f"``{rule.name}`` ({rule.severity})"
            yield from (
                f"    {rule.summary} {rule.reason}",
                "",
                f"    What to do: {rule.remedy}.",
                "",
            )


def plugins_page() -> Iterator[str]:
    """Yield the lines of the page of the components of plugins in this repository."""
    yield from heading("Components of plugins", "=")
    yield from (
        "The components of the plugins that :doc:`/plugins/index` describes.",
        "",
    )
    for folder in sorted((Path(__file__).parents[2] / "plugins").iterdir()):
        entries = [entry for entry in PLUGINS.catalog if entry.owner.distribution == folder.name]
        if entries:
            yield from heading(folder.name, "-")
        for entry in entries:
            yield from component(entry, "~")


def component(entry: CatalogEntry, line: str = "-") -> Iterator[str]:
    """Yield the section of a component: its docstring, an example, its options."""
    modules = {plugin.owner: plugin.module for plugin in PLUGINS.loaded}
    yield from heading(entry.cls.kind, line)
    yield from (*describe_class(entry.cls).split("\n"), "")
    role = f" ({entry.cls.role})" if line == "~" else ""
    yield from (f"In Python: ``{python_name(entry.cls, modules[entry.owner])}``{role}", "")
    text, file = find_example(entry.cls)
    if text:
        yield from (f"Example, from ``{file}``:", "", ".. code-block:: yaml", "")
        yield from (*(f"    {line}" for line in text.rstrip().split("\n")), "")
    yield from options(entry.cls)


def python_name(cls: type, module: str) -> str:
    """Return the public name of a class, or its name in the module of its plugin."""
    public = getattr(skyred, cls.__name__, None) is cls
    return f"skyred.{cls.__name__}" if public else f"{module}.{cls.__name__}"


def configuration_page() -> Iterator[str]:
    """Yield the lines of the page on the keys of a YAML file."""
    yield from heading("Configuration", "=")
    yield "The keys of a YAML file, which are also the arguments of the corresponding classes."
    yield ""
    for title, cls in (
        ("Pipeline", Pipeline),
        ("Data entry with an archive: Reduction", Reduction),
        ("Data entry with datasets: ReducedData", ReducedData),
    ):
        yield from heading(title, "-")
        yield from options(cls)


def checks_page() -> Iterator[str]:
    """Yield the lines of the page of the component checks, with advice for violations."""
    yield from heading("Component checks", "=")
    yield "The requirements that `skyred.testing` checks, with advice on how to fix violations."
    yield ""
    titles = {"": "Every component"} | {role: plural(role).capitalize() for role in ROLES}
    for role, title in titles.items():
        yield from heading(title, "-")
        for requirement in requirements(role):
            if (len(requirement.roles) > 1) is not bool(role):
                yield from (escape(requirement.sentence), f"    {escape(requirement.fix)}", "")


def escape(text: str) -> str:
    """Escape the special characters of reStructuredText."""
    literal = re.sub(r"`([^`]+)`", r"``\1``", text)
    return re.sub(r"([*|\\])", r"\\\1", literal)


def options(cls: type) -> Iterator[str]:
    """Yield the options of a class as a definition list."""
    declared = specs(cls)
    if not declared:
        yield from ("It has no options.", "")
    for name, spec in declared.items():
        yield from option(cls, name, spec)
        if inner := value_class(spec):
            yield from (f"    Its keys ({inner.__name__}):", "")
            for key, inner_spec in specs(inner).items():
                yield from (
                    "    " + line if line else "" for line in option(inner, key, inner_spec)
                )


def option(cls: type, name: str, spec: FieldSpec) -> Iterator[str]:
    """Yield the definition of an option: type, unit, default and description."""
    facts = [spec.type_name, default_text(default_of(cls, name), spec)]
    if spec.unit:
        facts.insert(1, f"unit compatible with {spec.unit}")
    yield f"``{name}`` : {', '.join(facts)}"
    yield f"    {spec.doc}"
    yield ""


def default_text(default: Any, spec: FieldSpec) -> str:
    """Describe the default of an option."""
    if default is REQUIRED:
        return "required"
    if default is None:
        return "optional"
    plain = spec.plain(default)
    if plain in ([], {}):
        return "empty by default"
    return f"default ``{yaml_text(plain)}``"


def yaml_text(plain: Any) -> str:
    """Format a default as YAML."""
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, list):
        return f"[{', '.join(map(yaml_text, plain))}]"
    if isinstance(plain, dict):
        return f"{{{', '.join(f'{name}: {yaml_text(value)}' for name, value in plain.items())}}}"
    return str(plain)


def value_class(spec: FieldSpec) -> type | None:
    """Return the class of a nested value that is not a component, to list its keys inline."""
    if spec.shape != "one" or spec.of is None or getattr(spec.of, "role", ""):
        return None
    return spec.of


def hooks_page() -> Iterator[str]:
    """Yield the lines of the page of the hooks, with their descriptions from the source."""
    yield from heading("Hooks", "=")
    yield from (*inspect.cleandoc(hookspecs.__doc__ or "").split("\n"), "")
    yield "An implementation may omit arguments that it does not need. The records are"
    yield from ("documented with the :doc:`public names <../api>`.", "")
    for title, names in HOOK_KINDS.items():
        yield from heading(title, "-")
        for name in names:
            yield from heading(f"``{name}``", "~")
            yield from (f".. autofunction:: {hookspecs.__name__}.{name}", "")


def heading(text: str, line: str) -> tuple[str, str, str]:
    """Return a heading with its underline."""
    return text, line * len(text), ""


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before Sphinx reads its sources."""
    app.connect(
        "builder-inited", lambda app: write_pages(Path(app.srcdir, "reference", "generated"))
    )
    return {"version": skyred.__version__, "parallel_read_safe": True}
