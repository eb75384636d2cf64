"""Reference pages generated from the code: components, plugins, configuration, checks and hooks.

As a Sphinx extension it writes them to ``docs/reference/generated`` before a build; `write_pages`
writes them to any folder. Components of plugins outside this repository are only listed in the
registry.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from catalog_examples import find_example

import skyred
from skyred import Pipeline, ReducedData, Reduction, hookspecs
from skyred.cli import main
from skyred.cli.plugin_commands import PluginCommands
from skyred.cli.registry import format_markdown, read_registry
from skyred.inspection.rules import RULES_BY_PART
from skyred.interfaces import ROLES
from skyred.plugins import Plugins
from skyred.sphinx_ext.sections import component, heading, options
from skyred.testing import requirements

# conf.py blocks the progress bars, for the output of tutorials only
BLOCKED = os.environ.get("SKYRED_BLOCK", "").removesuffix(",progress")
with mock.patch.dict(os.environ, SKYRED_BLOCK=BLOCKED):
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
    "Registration": ("skyred_components", "skyred_models", "skyred_archive", "skyred_commands"),
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
    files = {f"{name}.rst": lines for name, lines in pages.items()}
    files["registry.md"] = registry_page()
    written = []
    for name, lines in files.items():
        path = folder / name
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
            yield from component(entry, PLUGINS, *find_example(entry.cls))


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
            yield from component(entry, PLUGINS, *find_example(entry.cls), line="~")


def registry_page() -> Iterator[str]:
    """Yield the lines of the page of all distributions with plugins in this environment."""
    yield from (
        "# Installed plugins",
        "",
        "All distributions with plugins in the environment in which this documentation was built, "
        "from their metadata and entry points. `skyred plugins --format markdown` lists those of "
        "your environment; see [Publish your plugin](../../how-to/publish-plugin.md).",
        "",
        format_markdown(read_registry(PLUGINS, PluginCommands.load(main.commands))),
    )


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


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before Sphinx reads its sources."""
    app.connect(
        "builder-inited", lambda app: write_pages(Path(app.srcdir, "reference", "generated"))
    )
    return {"version": skyred.__version__, "parallel_read_safe": True}
