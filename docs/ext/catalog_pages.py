"""The reference pages that are made of what the code declares: components, configuration, hooks.

As a Sphinx extension it writes them to ``docs/reference/generated`` before a build; `write_pages`
writes them anywhere. Components of plugins that are not in this repository are left out.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalog_examples import example

import skyred
from skyred import Pipeline, ReducedData, Reduction, hookspecs
from skyred.fields import REQUIRED, FieldSpec, default_of, specs
from skyred.interfaces import ROLES
from skyred.plugins import CatalogEntry, Plugins
from skyred.testing import requirements

PLUGINS = Plugins.load()
INTRODUCTIONS = {
    "selector": "Select observations by their table; under ``select:``, applied in order.",
    "geometry": "Define axes, centre and size of the reduced data; under ``geometry:``.",
    "maker": "Fill the reduced dataset of one observation; under ``make:``, applied in order.",
    "stacker": "Combine the datasets of the observations; under ``stack:``.",
    "model": "Describe sources and background; under ``model:``, combined in this order.",
    "fitter": "Fit the free parameters; under ``fit:``.",
    "estimator": "Derive products from fitted datasets; under ``estimate:``, each with a name.",
    "engine": "Run the work: ``skyred run --engine KIND``, or ``Orchestrator(engine=...)``.",
}
HOOK_KINDS = {
    "Registration": ("skyred_components", "skyred_archive", "skyred_commands"),
    "The life of a run": (
        "skyred_run_started",
        "skyred_step_started",
        "skyred_observation_reduced",
        "skyred_step_finished",
        "skyred_run_finished",
    ),
}


def write_pages(folder: Path) -> list[Path]:
    """Write all pages; gives them."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "configuration": configuration_page(),
        "hooks": hooks_page(),
        "requirements": requirements_page(),
    }
    pages["plugins"] = plugins_page()
    pages |= {plural(role): role_page(role) for role in ROLES}
    written = []
    for name, lines in pages.items():
        path = folder / f"{name}.rst"
        text = "\n".join(lines).rstrip() + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")  # untouched where it is the same: less to build
        written.append(path)
    return written


def plural(role: str) -> str:
    """Give the plural of a role."""
    return "geometries" if role == "geometry" else f"{role}s"


def role_page(role: str) -> Iterator[str]:
    """Yield the lines of the page of a role: each of our components with its options."""
    yield from heading(plural(role).capitalize(), "=")
    yield from (INTRODUCTIONS[role], "")
    yield from (f"To write one, subclass `skyred.{role.capitalize()}`.", "") * (role != "geometry")
    for entry in PLUGINS.catalog:
        if entry.cls.role == role and entry.owner.distribution == "skyred":
            yield from component(entry)


def plugins_page() -> Iterator[str]:
    """Yield the lines of the page of the components of our plugins."""
    yield from heading("Components of plugins", "=")
    yield from (
        "Of the distributions in ``plugins/``; :doc:`/plugins/index` tells what they are for.",
        "",
    )
    for folder in sorted((Path(__file__).parents[2] / "plugins").iterdir()):
        entries = [each for each in PLUGINS.catalog if each.owner.distribution == folder.name]
        if entries:
            yield from heading(folder.name, "-")
        for entry in entries:
            yield from component(entry, "~")


def component(entry: CatalogEntry, line: str = "-") -> Iterator[str]:
    """Yield the section of a component: what it is, an example, its options."""
    modules = {known.owner: known.module for known in PLUGINS.loaded}
    yield from heading(entry.cls.kind, line)
    yield from (*inspect.cleandoc(entry.cls.__doc__ or "").split("\n"), "")
    role = f" ({entry.cls.role})" if line == "~" else ""
    yield from (f"In Python: ``{python_name(entry.cls, modules[entry.owner])}``{role}", "")
    text, file = example(entry.cls)
    if text:
        yield from (f"As in ``{file}``:", "", ".. code-block:: yaml", "")
        yield from (*(f"    {each}" for each in text.rstrip().split("\n")), "")
    yield from options(entry.cls)


def python_name(cls: type, module: str) -> str:
    """Return the public name of a class, or the name in the module of its plugin."""
    public = getattr(skyred, cls.__name__, None) is cls
    return f"skyred.{cls.__name__}" if public else f"{module}.{cls.__name__}"


def configuration_page() -> Iterator[str]:
    """Yield the lines of the page of the keys of a YAML file."""
    yield from heading("Configuration", "=")
    yield "The keys of a YAML file, and the arguments of the classes that they become."
    yield ""
    for title, cls in (
        ("Pipeline", Pipeline),
        ("Data entry with an archive: Reduction", Reduction),
        ("Data entry with datasets: ReducedData", ReducedData),
    ):
        yield from heading(title, "-")
        yield from options(cls)


def requirements_page() -> Iterator[str]:
    """Yield the lines of the page of requirements, each with the fix of a violation."""
    yield from heading("Checks of components", "=")
    yield "The requirements that `skyred.testing` checks, each with the way to fix a violation."
    yield ""
    titles = {"": "Every component"} | {role: plural(role).capitalize() for role in ROLES}
    for role, title in titles.items():
        yield from heading(title, "-")
        for each in requirements(role):
            if (len(each.roles) > 1) is not bool(role):
                yield from (plainly(each.sentence), f"    {plainly(each.fix)}", "")


def plainly(text: str) -> str:
    """Write a text so that none of its signs means anything in reStructuredText."""
    marked = re.sub(r"`([^`]+)`", r"``\1``", text)
    return re.sub(r"([*|\\])", r"\\\1", marked)


def options(cls: type) -> Iterator[str]:
    """Yield the options of a class as a list of definitions."""
    declared = specs(cls)
    if not declared:
        yield from ("It has no options.", "")
    for name, spec in declared.items():
        yield from option(cls, name, spec)
        if inner := value_class(spec):
            yield from (f"    Its keys ({inner.__name__}):", "")
            for key, held in specs(inner).items():
                yield from ("    " + line if line else "" for line in option(inner, key, held))


def option(cls: type, name: str, spec: FieldSpec) -> Iterator[str]:
    """Yield the definition of an option: type, unit, default, what it is for."""
    facts = [spec.type_name, default_text(default_of(cls, name), spec)]
    if spec.unit:
        facts.insert(1, f"in a unit like {spec.unit}")
    yield f"``{name}`` : {', '.join(facts)}"
    yield f"    {spec.doc}"
    yield ""


def default_text(default: Any, spec: FieldSpec) -> str:
    """Say what the default is."""
    if default is REQUIRED:
        return "required"
    if default is None:
        return "optional"
    plain = spec.plain(default)
    if plain in ([], {}):
        return "empty by default"
    return f"default ``{yaml_text(plain)}``"


def yaml_text(plain: Any) -> str:
    """Write a default as YAML has it."""
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, list):
        return f"[{', '.join(map(yaml_text, plain))}]"
    if isinstance(plain, dict):
        return f"{{{', '.join(f'{name}: {yaml_text(held)}' for name, held in plain.items())}}}"
    return str(plain)


def value_class(spec: FieldSpec) -> type | None:
    """Give the class of a nested value that is no component: its keys are shown in place."""
    if spec.shape != "one" or spec.of is None or getattr(spec.of, "role", ""):
        return None
    return spec.of


def hooks_page() -> Iterator[str]:
    """Yield the lines of the page of the hooks; Sphinx takes their descriptions from the source."""
    yield from heading("Hooks", "=")
    yield from (*inspect.cleandoc(hookspecs.__doc__ or "").split("\n"), "")
    yield "An implementation may leave out arguments that it does not need. The records are"
    yield from ("documented with the :doc:`public names <../api>`.", "")
    for title, names in HOOK_KINDS.items():
        yield from heading(title, "-")
        for name in names:
            yield from heading(f"``{name}``", "~")
            yield from (f".. autofunction:: {hookspecs.__name__}.{name}", "")


def heading(text: str, line: str) -> tuple[str, str, str]:
    """Give a heading with its underline."""
    return text, line * len(text), ""


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect(
        "builder-inited", lambda app: write_pages(Path(app.srcdir, "reference", "generated"))
    )
    return {"version": skyred.__version__, "parallel_read_safe": True}
