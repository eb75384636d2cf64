"""YAML examples of components for the reference, from the example files and the pages."""

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
LIST_ROLES = ("selector", "maker", "model", "estimator")


def find_example(cls: type[Component]) -> tuple[str, str]:
    """Return the YAML of a component and the file that contains it; empty if there is none."""
    example = _examples().get((cls.role, cls.kind))
    if example is None:
        return "", ""
    data, file = example
    return dedent(dump([data] if cls.role in LIST_ROLES else data)), file


@cache
def _examples() -> dict[tuple[str, str], tuple[Any, str]]:
    """Return the first use of each kind: in examples, those of plugins, or pages."""
    examples: dict[tuple[str, str], tuple[Any, str]] = {}
    for file, text in _texts():
        config = YAML(typ="safe", pure=True).load(text)
        for role, data in _components(config):
            examples.setdefault((role, data["kind"]), (data, file))
    return examples


def _texts() -> Iterator[tuple[str, str]]:
    for pattern in ("examples/*.yaml", "plugins/*/examples/*.yaml"):
        for path in sorted(ROOT.glob(pattern)):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in sorted(ROOT.glob("docs/*/*.md")):
        page = path.read_text(encoding="utf-8")
        for text in re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
            yield str(path.relative_to(ROOT)), text


def _components(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield role and data of each component in a configuration, or in a part of one."""
    if "kind" in config:  # a single component, on the page on models
        yield "model", config
    for section in (config, *(config.get("data") or {}).values()):
        for key, role in KEYS.items():
            value = section.get(key) or []
            for data in value if isinstance(value, list) else [value]:
                if isinstance(data, dict) and "kind" in data:
                    yield role, data
