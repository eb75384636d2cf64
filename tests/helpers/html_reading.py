"""Parser of the HTML for notebooks, which checks that it is well formed."""

from __future__ import annotations

from html.parser import HTMLParser

import attrs

TAGS = {"div", "style", "p", "b", "small", "span", "table", "thead", "tbody", "tr", "th", "td",
        "details", "summary"}  # fmt: skip
ATTRIBUTES = {"class", "title", "open"}


class _Parser(HTMLParser):
    """Parser that requires closed tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.hints: list[str] = []
        self.tables: list[list[list[str]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attributes} <= ATTRIBUTES
        self.hints += [value or "" for name, value in attributes if name == "title"]
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


@attrs.frozen
class Page:
    """Content of a page: its text, its hints, and its tables as rows."""

    text: str
    hints: list[str]
    tables: list[list[list[str]]]

    def row(self, first: str, of: str = "") -> list[str]:
        """Return the only row with a first cell; `of` is the first heading of its table."""
        tables = [table for table in self.tables if not of or table[0][0] == of]
        (row,) = [row for table in tables for row in table if row[0] == first]
        return row


def read(result: object) -> Page:
    """Parse the notebook view of an object; fail on unknown and on unclosed tags."""
    parser = _Parser()
    parser.feed(result if isinstance(result, str) else result._repr_html_())  # type: ignore[attr-defined]
    parser.close()
    assert parser.open == []
    return Page("".join(parser.texts), parser.hints, parser.tables)
