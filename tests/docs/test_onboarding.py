"""The onboarding page is true: what it names is there, and what is to be read first is short."""

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


def named() -> set[str]:
    life = section("How a run is executed").split("\n", 3)[3]  # without the command
    names = set(re.findall(r"`([A-Za-z_][\w.]*)`", life))
    return {name for name in names if not name.endswith((".json", ".yaml"))}


@pytest.mark.parametrize("name", sorted(named()))
def test_what_the_life_of_a_run_names_is_there(name: str) -> None:
    *owner, last = name.split(".")
    assert last in DEFINED or is_module(name)
    if owner and owner[0].islower():
        assert is_module(".".join(owner)) or owner[-1] in DEFINED


def is_module(name: str) -> bool:
    path = SOURCE.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def lines_of_code(path: Path) -> int:
    text = path.read_text(encoding="utf-8")
    number = len(text.splitlines())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            docstring = node.body[0]
            number -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return number


def test_what_a_newcomer_reads_first_is_less_than_a_thousand_lines() -> None:
    first = section("Reading order").split("Then, depending on")[0]
    files = re.findall(r"`([\w/]+\.py)`", first)
    assert len(files) > 5
    assert sum(lines_of_code(SOURCE / name) for name in files) < 1000
