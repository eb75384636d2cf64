"""Public names are listed and documented, and old names work until the next release."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import skyred
from public_names import public_names, read_names
from skyred.plugins import Plugins

ROOT = Path(__file__).parents[1]
PUBLIC = {"skyred", "skyred.testing"}
CODE = (
    "plugins/*/src/**/*.py",
    "plugins/*/tests/**/*.py",
    "docs/tutorials/*.py",
    "examples/**/*.py",
    "src/skyred/cli/new_plugin/templates/*/*.txt",
)
PAGES = ("README.md", "docs/**/*.md", "plugins/*/README.md")


def python_sources() -> Iterator[tuple[Path, str]]:
    """Yield the paths of modules and pages, and the Python code in them."""
    for pattern in CODE:
        for path in ROOT.glob(pattern):
            yield path, path.read_text("utf-8")
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            if "_build" not in path.parts:
                blocks = re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
                yield path, "\n".join(blocks)


def test_plugins_examples_and_pages_import_only_public_names() -> None:
    private_imports = [
        f"{path.relative_to(ROOT)}: {module}"
        for path, content in python_sources()
        for module in re.findall(
            r"^\s*(?:from|import) (skyred(?:\.[\w.]+)?)\b", content, re.MULTILINE
        )
        if module not in PUBLIC
    ]
    assert not private_imports


@pytest.mark.parametrize("name", sorted(skyred.__all__))
def test_public_name_exists(name: str) -> None:
    assert getattr(skyred, name) is not None


def test_every_public_name_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "api.rst").read_text("utf-8")
    described = set(re.findall(r"^\.\. (?:auto\w+|data):: (?:[\w.]+\.)?(\w+)$", page, re.MULTILINE))
    # default components and the values of their options are described on other pages
    expected = {
        name
        for name in skyred.__all__
        if not getattr(getattr(skyred, name), "__module__", "").startswith("skyred.components")
    }
    assert expected <= described


def test_every_default_component_is_public() -> None:
    default_entries = [
        entry for entry in Plugins.load().catalog if entry.owner.distribution == "skyred"
    ]
    missing = [
        entry.cls.__name__ for entry in default_entries if not hasattr(skyred, entry.cls.__name__)
    ]
    assert not missing


def test_modules_mentioned_in_pages_exist() -> None:
    existing = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")}
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in [ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/explanation/*.md")]
        for name in re.findall(r"`([\w/]+\.py)`", page.read_text("utf-8"))
        if not any(path == name or path.endswith(f"/{name}") for path in existing)
    ]
    assert not missing


def list_documented_members() -> list[tuple[str, str]]:
    page = (ROOT / "docs" / "reference" / "api.rst").read_text("utf-8")
    entries = re.findall(r"^\.\. auto\w+:: ([\w.]+)\n   :members: (.+)$", page, re.MULTILINE)
    return [(owner, name) for owner, names in entries for name in names.split(", ")]


@pytest.mark.parametrize(("owner", "name"), list_documented_members())
def test_every_member_in_the_reference_exists(owner: str, name: str) -> None:
    path = owner.removeprefix("skyred.").split(".")
    documented = getattr(skyred, path[-1], None)
    if documented is None:
        documented = getattr(importlib.import_module(".".join(["skyred", *path[:-1]])), path[-1])
    assert hasattr(documented, name) or name in getattr(documented, "__annotations__", {})


def test_listed_public_names_still_work() -> None:
    missing = sorted(read_names() - public_names())
    assert not missing, "keep old names: _OLD_NAMES, old_kinds, old_names"


def test_public_names_are_listed() -> None:
    unlisted = sorted(public_names() - read_names())
    assert not unlisted, "run python tests/helpers/public_names.py"
