"""Layout of Python code, with long statements wrapped as black and ruff do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

WIDTH = 88  # as black; the trailing comma keeps the layout stable for wider settings
OPENING, CLOSING = "([{", ")]}"
INDENT = "    "


def lay_out(code: str, indent: str = "") -> list[str]:
    """Wrap a long statement at its brackets, if it has any.

    Each item in the last outermost pair of brackets is put on its own line. Code without brackets,
    such as a single long string, remains on one line.

    Parameters
    ----------
    code : str
        The statement.
    indent : str
        The indentation of all lines.

    Returns
    -------
    list of str
        The lines.
    """
    line = indent + code
    if len(line) <= WIDTH or code.startswith("#"):
        return [line]
    brackets = _last_brackets(code)
    if brackets is None:
        return [line]
    start, end = brackets
    content = code[start + 1 : end]
    clauses = _split_clauses(content)
    items = clauses if len(clauses) > 1 else list(_iter_items(content))
    if not items:
        return [line]
    comma = "" if len(clauses) > 1 else ","
    lines = [indent + code[: start + 1]]
    for item in items:
        lines += lay_out(item, indent + INDENT)
        lines[-1] += comma
    return [*lines, indent + code[end:]]


def _last_brackets(code: str) -> tuple[int, int] | None:
    """Find the last outermost pair of brackets."""
    pair, depth, start = None, 0, 0
    for index, character in _iter_outside_strings(code):
        if character in OPENING:
            start = index if depth == 0 else start
            depth += 1
        elif character in CLOSING:
            depth -= 1
            pair = (start, index) if depth == 0 else pair
    return pair


def _iter_items(content: str) -> Iterator[str]:
    """Yield the items between commas."""
    start = 0
    for index in _iter_outside_brackets(content):
        if content[index] == ",":
            yield content[start:index].strip()
            start = index + 1
    if last_item := content[start:].strip():
        yield last_item


def _split_clauses(content: str) -> list[str]:
    """Return the clauses of a comprehension: the element, ``for item in ...``, ``if ...``."""
    starts = [
        index
        for index in _iter_outside_brackets(content)
        if content.startswith((" for ", " if "), index)
    ]
    if not any(content.startswith(" for ", index) for index in starts):
        return [content]
    ends = [*starts, len(content)]
    return [content[low:high].strip() for low, high in pairwise([0, *ends])]


def _iter_outside_brackets(content: str) -> Iterator[int]:
    """Yield the indices of characters outside all brackets and strings."""
    depth = 0
    for index, character in _iter_outside_strings(content):
        depth += (character in OPENING) - (character in CLOSING)
        if depth == 0:
            yield index


def _iter_outside_strings(code: str) -> Iterator[tuple[int, str]]:
    quote, escaped = "", False
    for index, character in enumerate(code):
        if quote:
            if character == quote and not escaped:
                quote = ""
            escaped = character == "\\" and not escaped
        elif character in "\"'":
            quote = character
        else:
            yield index, character
