"""Where each kind of component stands in an example or a page: the YAML its reference shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

from ruamel.yaml import YAML

from skyred.config import dump
from skyred.interfaces import Component

ROOT = Path(__file__).parents[2]
KEYS = {
    "select": "selector", "geometry": "geometry", "make": "maker", "stack": "stacker",
    "model": "model", "fit": "fitter", "estimate": "estimator",
}  # fmt: skip
LISTED = ("selector", "maker", "model", "estimator")


def example(cls: type[Component]) -> tuple[str, str]:
    """Give the YAML of a component and the file that it stands in; "" if it stands in none."""
    found = _examples().get((cls.role, cls.kind))
    if found is None:
        return "", ""
    part, file = found
    return dedent(dump([part] if cls.role in LISTED else part)), file


@cache
def _examples() -> dict[tuple[str, str], tuple[Any, str]]:
    """Give the first use of each kind: in examples, else in those of plugins, else in pages."""
    found: dict[tuple[str, str], tuple[Any, str]] = {}
    for file, text in _texts():
        whole = YAML(typ="safe", pure=True).load(text)
        for role, part in _components(whole):
            found.setdefault((role, part["kind"]), (part, file))
    return found


def _texts() -> Iterator[tuple[str, str]]:
    for pattern in ("examples/*.yaml", "plugins/*/examples/*.yaml"):
        for path in sorted(ROOT.glob(pattern)):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in sorted(ROOT.glob("docs/*/*.md")):
        page = path.read_text(encoding="utf-8")
        for text in re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
            yield str(path.relative_to(ROOT)), text


def _components(whole: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield role and YAML of each component in a file or in a part of one."""
    if "kind" in whole:  # a single one stands in pages on models
        yield "model", whole
    for held in (whole, *(whole.get("data") or {}).values()):
        for key, role in KEYS.items():
            parts = held.get(key) or []
            for part in parts if isinstance(parts, list) else [parts]:
                if isinstance(part, dict) and "kind" in part:
                    yield role, part
