"""Reading the HTML that notebooks are given: that it is well formed, and what it says."""

from __future__ import annotations

from html.parser import HTMLParser

import attrs

TAGS = {"div", "style", "p", "b", "small", "span", "table", "thead", "tbody", "tr", "th", "td",
        "details", "summary"}  # fmt: skip
ATTRIBUTES = {"class", "title", "open"}


class _Parser(HTMLParser):
    """Follows the tags; all that is used here is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.hints: list[str] = []
        self.tables: list[list[list[str]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attributes} <= ATTRIBUTES
        self.hints += [held or "" for name, held in attributes if name == "title"]
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
    """What a page says: its text, the texts of its hints, and its tables, row by row."""

    text: str
    hints: list[str]
    tables: list[list[list[str]]]

    def row(self, first: str, of: str = "") -> list[str]:
        """Give the one row that begins with a text; `of` is the first heading of its table."""
        tables = [table for table in self.tables if not of or table[0][0] == of]
        (row,) = [row for table in tables for row in table if row[0] == first]
        return row


def read(shown: object) -> Page:
    """Read what an object shows in a notebook; fails on unknown tags and on unclosed ones."""
    parser = _Parser()
    parser.feed(shown if isinstance(shown, str) else shown._repr_html_())  # type: ignore[attr-defined]
    parser.close()
    assert parser.open == []
    return Page("".join(parser.texts), parser.hints, parser.tables)
