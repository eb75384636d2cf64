"""The files of a distribution: its package, tests, documentation, metadata and workflows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import metadata

import attrs

import skyred
from skyred.cli.new_plugin.example import example_yaml
from skyred.cli.new_plugin.source import (
    Draft,
    commands_source,
    format_import,
    models_source,
    module_source,
    read_template,
    tests_source,
    wrap_names,
)

LICENSE_SENTENCE = "Its licence is {}, with the text in `LICENSE`."
NO_LICENSE_SENTENCE = "It has no licence yet: without one, nobody may copy, use or change it."
LICENSES = {"BSD-3-Clause": "license_bsd", "MIT": "license_mit", "none": ""}  # templates
PYTHON_CLASSIFIER = "Programming Language :: Python :: 3."
PATHS = {  # of the templates that do not depend on the drafts
    "pyproject": "pyproject.toml",
    "readme": "README.md",
    "changelog": "CHANGELOG.md",
    "citation": "CITATION.cff",
    "gitignore": ".gitignore",
    "pre_commit": ".pre-commit-config.yaml",
    "readthedocs": ".readthedocs.yaml",
    "dependabot": ".github/dependabot.yml",
    "ci": ".github/workflows/ci.yml",
    "publish": ".github/workflows/publish.yml",
    "docs_conf": "docs/conf.py",
    "docs_index": "docs/index.rst",
    "docs_reference": "docs/reference.rst",
    "conftest": "tests/conftest.py",
    "test_example": "tests/test_example.py",
}


@attrs.frozen
class Metadata:
    """Metadata of a distribution that its author chooses.

    Parameters
    ----------
    author : str
        The name of the author; by default the developers of the distribution.
    email, url, description : str
        The e-mail address of the author, the address of the repository, and one sentence about
        the plugin; "" for none.
    license : str
        A key of `LICENSES`.
    """

    author: str = ""
    email: str = ""
    url: str = ""
    description: str = ""
    license: str = "BSD-3-Clause"


def package_files(name: str, drafts: Sequence[Draft], details: Metadata) -> dict[str, str]:
    """Return the contents of all files of a distribution.

    Parameters
    ----------
    name : str
        The name of the distribution.
    drafts : sequence of Draft
        The components, archives, observers and commands.
    details : Metadata
        The metadata.

    Returns
    -------
    dict of str to str
        The contents by path.
    """
    module = name.replace("-", "_")
    commands = [draft for draft in drafts if draft.role == "command"]
    others = [draft for draft in drafts if draft.role != "command"]
    values = {**_metadata_values(name, details), **_version_values(), **_draft_values(name, drafts)}
    values["table"] = _file_table(module, drafts)
    paths = dict(PATHS)
    if any(draft.is_component for draft in drafts):
        paths["test_conformance"] = "tests/test_conformance.py"
    if details.license != "none":
        paths[LICENSES[details.license]] = "LICENSE"
    contents = {
        path: read_template(f"package/{template}").substitute(values)
        for template, path in paths.items()
    }
    contents["example.yaml"] = example_yaml(drafts)
    contents["tests/test_numbers.py"] = tests_source(drafts, module)
    if models := [draft for draft in drafts if draft.role == "spectral-model"]:
        contents[f"src/{module}/models.py"] = models_source(models)
    init_source = (
        module_source(others, f"{module}.models") if others else f'"""Commands of {name}."""\n'
    )
    contents[f"src/{module}/__init__.py"] = init_source
    if commands:
        contents[f"src/{module}/commands.py"] = commands_source(commands)
    return contents


def _metadata_values(name: str, details: Metadata) -> dict[str, str]:
    author = details.author or f"The {name} developers"
    description = details.description.rstrip(".") or "A plugin of skyred for gamma-ray astronomy"
    email = f", email = {_quote(details.email)}" if details.email else ""
    license_lines = "" if details.license == "none" else f'license = "{details.license}"\n'
    license_files = 'license-files = ["LICENSE"]\n' if license_lines else ""
    return {
        "author": f"{{ name = {_quote(author)}{email} }}",
        "author_name": author,
        "description": _quote(description),
        "description_text": description,
        "description_rst": re.sub(r"([\\`*_|<>])", r"\\\1", description),
        "license": license_lines + license_files,
        "license_sentence": LICENSE_SENTENCE.format(details.license)
        if license_lines
        else NO_LICENSE_SENTENCE,
        "urls": _url_lines(details.url.rstrip("/")),
        "year": str(datetime.now(UTC).year),
        "title": name,
        "underline": "=" * len(name),
        "citation_author": _quote(author),
        "citation_license": "" if details.license == "none" else f"license: {details.license}\n",
        "citation_url": f"repository-code: {_quote(details.url)}\n" if details.url else "",
    }


def _url_lines(url: str) -> str:
    if not url:
        return ""
    urls = {
        "Homepage": url,
        "Issues": f"{url}/issues",
        "Changelog": f"{url}/blob/main/CHANGELOG.md",
    }
    lines = [f"{label} = {_quote(address)}" for label, address in urls.items()]
    return "\n".join(["", "[project.urls]", *lines, ""])


def _version_values() -> dict[str, str]:
    """Return the supported versions of skyred, and those of Python that it supports."""
    major, minor, *_ = skyred.__version__.split(".")
    data = metadata("skyred")
    classifiers = data.get_all("Classifier") or []
    pythons = [line for line in classifiers if line.startswith(PYTHON_CLASSIFIER)]
    versions = [line.rpartition(" ")[2] for line in pythons]
    return {
        "version": f"{major}.{minor}",
        "next_version": f"{major}.{int(minor) + 1}",
        "requires_python": data["Requires-Python"],
        "classifiers": "\n".join(f'    "{line}",' for line in pythons),
        "pythons": ", ".join(f'"{version}"' for version in versions),
        "oldest_python": versions[0],
        "newest_python": versions[-1],
    }


def _draft_values(name: str, drafts: Sequence[Draft]) -> dict[str, str]:
    module, plugin = name.replace("-", "_"), name.removeprefix("skyred-")
    items = [f"the {draft.role.replace('-', ' ')} `{draft.kind}`" for draft in drafts]
    components = [draft for draft in drafts if draft.is_component]
    class_names = sorted(draft.name for draft in components)
    first_kind = components[0].kind if components else ""
    entry_points = []
    if any(draft.role != "command" for draft in drafts):
        entry_points += ["", "[project.entry-points.skyred]", f'{plugin} = "{module}"']
    if commands := [draft for draft in drafts if draft.role == "command"]:
        entry_points += ["", '[project.entry-points."skyred.commands"]']
        entry_points += [f'{plugin} = "{module}.commands"']
    return {
        "distribution": name,
        "module": module,
        "summary": "\n".join(f"- {item}" for item in items),
        "items": "\n".join(f"- {item[0].upper()}{item[1:]}." for item in items),
        "engine": next((f" --engine {d.kind}" for d in drafts if d.role == "engine"), ""),
        "import": format_import(module, class_names) if components else "",
        "components": wrap_names("COMPONENTS = [", class_names, "]"),
        "show": f"`skyred show {first_kind}` describes its options. " if first_kind else "",
        "entry_points": "\n".join(entry_points),
        "sections": "\n".join(_reference_lines(name, drafts, bool(components), commands)),
    }


def _reference_lines(
    name: str, drafts: Sequence[Draft], has_components: bool, commands: Sequence[Draft]
) -> list[str]:
    module = name.replace("-", "_")
    lines = ["", f".. skyred-components:: {name}"] if has_components else []
    roles = {draft.role for draft in drafts}
    for role, hook in (("archive", "skyred_archive"), ("observer", "skyred_run_finished")):
        if role in roles:
            lines += ["", f"The {role}", "-" * len(f"The {role}")]
            lines += ["", f".. autofunction:: {module}.{hook}"]
    for draft in drafts:
        if draft.role == "spectral-model":
            lines += ["", draft.kind, "-" * len(draft.kind)]
            lines += ["", f".. autoclass:: {module}.models.{draft.name}"]
    for draft in commands:
        title = f"skyred {draft.kind}"
        lines += ["", title, "-" * len(title), ""]
        lines += [".. code-block:: console", "", f"   $ skyred {draft.kind} --help"]
    return lines


def _file_table(module: str, drafts: Sequence[Draft]) -> str:
    roles = {draft.role for draft in drafts}
    rows = {f"`src/{module}/__init__.py`": "the components and the hooks of the plugin"}
    if "spectral-model" in roles:
        rows[f"`src/{module}/models.py`"] = "the spectral models"
    if "command" in roles:
        rows[f"`src/{module}/commands.py`"] = "the commands"
    if any(draft.is_component for draft in drafts):
        rows["`tests/test_conformance.py`"] = "checks of the requirements of each role"
    rows |= {
        "`tests/test_numbers.py`": "comparisons with plain gammapy or a formula",
        "`tests/test_example.py`": "a run of `example.yaml`",
        "`docs`": "the documentation; the reference is created from the declarations",
        "`.github/workflows`": "tests for each change; releases on PyPI for each tag",
    }
    return "\n".join(f"| {path} | {content} |" for path, content in rows.items()) + "\n"


def _quote(value: str) -> str:
    """Return a string in double quotes, valid in TOML, YAML and Python."""
    return json.dumps(value, ensure_ascii=False)
