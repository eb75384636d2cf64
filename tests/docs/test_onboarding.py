"""Names on the onboarding page exist, and the first part of the reading order is short."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "skyred"
PAGE = (ROOT / "docs" / "onboarding.md").read_text(encoding="utf-8")
CODE = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
DEFINED = set(re.findall(r"^\s*(?:def|class) (\w+)", CODE, re.MULTILINE))


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def names_in_description() -> set[str]:
    description = section("How a run is executed").split("\n", 3)[3]  # skip the command
    names = set(re.findall(r"`([A-Za-z_][\w.]*)`", description))
    return {name for name in names if not name.endswith((".json", ".yaml"))}


@pytest.mark.parametrize("name", sorted(names_in_description()))
def test_names_in_the_description_of_a_run_exist(name: str) -> None:
    *owner, last = name.split(".")
    assert last in DEFINED or is_module(name)
    if owner and owner[0].islower():
        assert is_module(".".join(owner)) or owner[-1] in DEFINED


def is_module(name: str) -> bool:
    path = SOURCE.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def count_code_lines(path: Path) -> int:
    """Return the number of lines of a module without its docstrings."""
    content = path.read_text(encoding="utf-8")
    n_lines = len(content.splitlines())
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            docstring = node.body[0]
            n_lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return n_lines


def test_first_part_of_the_reading_order_is_below_1000_lines() -> None:
    first_part = section("Reading order").split("Then, depending on")[0]
    files = re.findall(r"`([\w/]+\.py)`", first_part)
    assert len(files) > 5
    assert sum(count_code_lines(SOURCE / name) for name in files) < 1000
