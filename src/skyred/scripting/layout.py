"""Laying out Python: statements that are too long, broken as black and ruff would break them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

WIDTH = 88  # black's; with a comma behind the last argument, wider settings leave it as it is
OPENING, CLOSING = "([{", ")]}"
INDENT = "    "


def lay_out(code: str, indent: str = "") -> list[str]:
    """Break a statement on one line into lines that are short enough, if brackets allow it.

    What stands in its last brackets gets a line for each item. A line of a comprehension or of a
    single long text has no other place to be broken at, and is left as it is.
    """
    line = indent + code
    if len(line) <= WIDTH or code.startswith("#"):
        return [line]
    found = _last_brackets(code)
    if found is None:
        return [line]
    start, end = found
    inside = code[start + 1 : end]
    clauses = _clauses(inside)
    items = clauses if len(clauses) > 1 else list(_items(inside))
    if not items:
        return [line]
    comma = "" if len(clauses) > 1 else ","
    lines = [indent + code[: start + 1]]
    for item in items:
        lines += _with_end(lay_out(item, indent + INDENT), comma)
    return [*lines, indent + code[end:]]


def _with_end(lines: list[str], end: str) -> list[str]:
    return [*lines[:-1], lines[-1] + end]


def _last_brackets(code: str) -> tuple[int, int] | None:
    """Find the last pair of brackets that nothing encloses."""
    pair, depth, start = None, 0, 0
    for place, character in _outside_texts(code):
        if character in OPENING:
            start = place if depth == 0 else start
            depth += 1
        elif character in CLOSING:
            depth -= 1
            pair = (start, place) if depth == 0 else pair
    return pair


def _items(inside: str) -> Iterator[str]:
    """Yield what commas part."""
    start = 0
    for place in _outermost(inside):
        if inside[place] == ",":
            yield inside[start:place].strip()
            start = place + 1
    if last := inside[start:].strip():
        yield last


def _clauses(inside: str) -> list[str]:
    """Give the clauses of a comprehension: what is made, ``for each in ...``, ``if ...``."""
    places = [place for place in _outermost(inside) if inside.startswith((" for ", " if "), place)]
    if not any(inside.startswith(" for ", place) for place in places):
        return [inside]
    ends = [*places, len(inside)]
    return [inside[low:high].strip() for low, high in pairwise([0, *ends])]


def _outermost(inside: str) -> Iterator[int]:
    """Yield the places that no brackets enclose and that are in no text."""
    depth = 0
    for place, character in _outside_texts(inside):
        depth += (character in OPENING) - (character in CLOSING)
        if depth == 0:
            yield place


def _outside_texts(code: str) -> Iterator[tuple[int, str]]:
    quote, escaped = "", False
    for place, character in enumerate(code):
        if quote:
            if character == quote and not escaped:
                quote = ""
            escaped = character == "\\" and not escaped
        elif character in "\"'":
            quote = character
        else:
            yield place, character
