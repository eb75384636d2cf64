"""Parser for the HTML that notebooks show; it requires well-formed HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import attrs

TAGS = {"div", "style", "p", "b", "small", "span", "table", "thead", "tbody", "tr", "th", "td",
        "details", "summary"}  # fmt: skip
ATTRIBUTES = {"class", "title", "open"}


class _Parser(HTMLParser):
    """Parser that allows only known tags and attributes, and requires closed tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.tooltips: list[str] = []
        self.tables: list[list[list[str]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attributes} <= ATTRIBUTES
        self.tooltips += [value or "" for name, value in attributes if name == "title"]
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
    """Content of a page: its text, its tooltips, and its tables as lists of rows."""

    text: str
    tooltips: list[str]
    tables: list[list[list[str]]]

    def row(self, first_cell: str, heading: str = "") -> list[str]:
        """Return the only row with a first cell, in all tables or in those with a heading."""
        tables = [table for table in self.tables if not heading or table[0][0] == heading]
        (row,) = [row for table in tables for row in table if row[0] == first_cell]
        return row


def parse_html(view: object) -> Page:
    """Parse the notebook view of an object, or HTML.

    Raises
    ------
    AssertionError
        For unknown and for unclosed tags.
    """
    parser = _Parser()
    parser.feed(view if isinstance(view, str) else view._repr_html_())  # type: ignore[attr-defined]
    parser.close()
    assert parser.open == []
    return Page("".join(parser.texts), parser.tooltips, parser.tables)
