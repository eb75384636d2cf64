"""Write plain data as readable YAML."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

WIDTH = 100
BOOLEANS = ("y", "n", "yes", "no", "on", "off")  # in YAML 1.1, which most other programs read


def dump(data: Any) -> str:
    """Convert plain data to YAML, with short lists on one line and numbers with all digits.

    Parameters
    ----------
    data : object
        Dicts, lists, strings, numbers, booleans and None.

    Returns
    -------
    str
        The YAML document.
    """
    yaml = YAML(typ="rt", pure=True)
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_add_style(data), stream)
    return stream.getvalue()


def _add_style(data: Any) -> Any:
    if isinstance(data, dict):
        styled = CommentedMap({_add_style(name): _add_style(item) for name, item in data.items()})
        if data and _is_short(data) and any(name != "kind" for name in data):
            styled.fa.set_flow_style()
        return styled
    if isinstance(data, (list, tuple)):
        items = CommentedSeq(_add_style(item) for item in data)
        if _is_short(data):
            items.fa.set_flow_style()
        return items
    if isinstance(data, str) and data.startswith(("?", ":", "-")):
        return SingleQuotedScalarString(data)  # ruamel cannot read such strings without quotes
    if isinstance(data, str) and data.lower() in BOOLEANS:
        return SingleQuotedScalarString(data)
    if isinstance(data, str) and not data.isprintable():
        return DoubleQuotedScalarString(data)  # with escapes: U+0085 is a line break in YAML
    return data


def _is_short(data: Any) -> bool:
    items = list(data.values()) if isinstance(data, dict) else list(data)
    return all(not isinstance(item, (dict, list, tuple)) for item in items) and (
        len(str(data)) < WIDTH - 20
    )
