"""The source tree of the onboarding page: packages and modules with their docstring summaries.

``python docs/ext/source_tree.py`` writes it to the page. Packages are in the order of the layers of
the import contract, the highest layer first.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "skyred"
PAGE = ROOT / "docs" / "onboarding.md"
BEGIN, END = "```text\nsrc/skyred/\n", "\nplugins/skyred-example/"
COLUMN = 30
SUMMARIES = {"__main__.py": "python -m skyred", "py.typed": "Marker of a typed package (PEP 561)"}


def source_tree() -> str:
    """Return the lines below ``src/skyred/``."""
    return "".join(f"{line}\n" for line in _lines(SOURCE, 1))


def _lines(folder: Path, depth: int) -> Iterator[str]:
    for path in sorted(_entries(folder), key=_order(folder)):
        name = path.name + "/" * path.is_dir()
        yield f"{'  ' * depth + name:{COLUMN}} {_summary(path)}".rstrip()
        if path.is_dir():
            yield from _lines(path, depth + 1)


def _entries(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name == "__pycache__" or (path.name == "__init__.py" and folder != SOURCE):
            continue
        if path.suffix == ".txt":  # the templates of a new plugin
            continue
        if path.is_dir() and not any(_files(path)):  # only caches of removed modules
            continue
        yield path


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.*") if "__pycache__" not in path.parts)


def _order(folder: Path):
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = contract["tool"]["importlinter"]["contracts"][0]["layers"]
    first = ["__init__", "py", *layers] if folder == SOURCE else []
    positions = {name: position for position, name in enumerate(first)}
    return lambda path: (positions.get(path.stem, len(positions)), path.stem)


def _summary(path: Path) -> str:
    if path.name in SUMMARIES:
        return SUMMARIES[path.name]
    module = path / "__init__.py" if path.is_dir() else path
    if module.suffix == ".py" and module.exists():
        text = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
        return text.split("\n")[0].rstrip(".")
    if module.suffix in (".yaml", ".pyi"):
        return module.read_text("utf-8").split("\n")[0].lstrip("# ").rstrip(".")
    return (
        "Templates of components, by role, and of the files of a package" if path.is_dir() else ""
    )


def with_tree(page: str) -> str:
    """Return the text of a page with an updated source tree."""
    begin = page.index(BEGIN) + len(BEGIN)
    return page[:begin] + source_tree() + page[page.index(END, begin) :]


if __name__ == "__main__":
    PAGE.write_text(with_tree(PAGE.read_text("utf-8")), "utf-8")
