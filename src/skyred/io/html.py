"""What notebooks show: small pieces of HTML, in which everything is escaped but HTML itself."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.table import Table

# colours are those of the page, so that it can be read on any; grey with alpha suits both
STYLE = """
div.skyred{font-size:.9em;line-height:1.45;color:inherit}
div.skyred table{border-collapse:collapse;margin:.2em 0 .6em;border:0;font-size:1em}
div.skyred th,div.skyred td{text-align:left;vertical-align:top;padding:.12em 1em .12em 0;
 color:inherit;background:none;border:0;border-bottom:1px solid rgba(128,128,128,.3);
 font-variant-numeric:tabular-nums;max-width:48em;white-space:normal}
div.skyred th{font-weight:600;white-space:nowrap}
div.skyred td small,div.skyred small{font-size:.9em;opacity:.7}
div.skyred .wide{overflow-x:auto}
div.skyred .wide td{white-space:nowrap}
div.skyred summary{cursor:pointer}
div.skyred p{margin:.2em 0}
div.skyred details>:not(summary),div.skyred>:not(p):not(style):not(details){margin-left:1.1em}
"""


class Html(str):
    """A text that is HTML already, and is not escaped again."""

    __slots__ = ()


def escape(content: object) -> Html:
    """Make any content HTML: what is HTML stays as it is, everything else is shown as text."""
    return content if isinstance(content, Html) else Html(html.escape(str(content)))


def join(*contents: object) -> Html:
    """Put contents together."""
    return Html("".join(escape(content) for content in contents))


def bold(content: object) -> Html:
    """Give emphasis."""
    return Html(f"<b>{escape(content)}</b>")


def muted(content: object) -> Html:
    """Give less emphasis."""
    return Html(f"<small>{escape(content)}</small>")


def hint(content: object, text: str) -> Html:
    """Give a content that shows a text when the pointer is on it."""
    return Html(f'<span title="{html.escape(text)}">{escape(content)}</span>')


def paragraph(*contents: object) -> Html:
    """Give a line of its own."""
    return Html(f"<p>{join(*contents)}</p>")


def table(headings: Sequence[object], rows: Iterable[Sequence[object]]) -> Html:
    """Give a table."""
    head = _row("th", headings)
    body = "".join(_row("td", row) for row in rows)
    return Html(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")


def details(summary: object, *body: object, unfolded: bool = False) -> Html:
    """Give what is seen when its summary is clicked on."""
    state = " open" if unfolded else ""
    return Html(f"<details{state}><summary>{escape(summary)}</summary>{join(*body)}</details>")


def page(*contents: object) -> str:
    """Give all of an object's HTML, with its style."""
    return f'<div class="skyred"><style>{STYLE}</style>{join(*contents)}</div>'


def data_table(data: Table, rows: int = 5) -> Html:
    """Give the first rows of an astropy table, with units; descriptions appear on the headings."""
    head = data[:rows]
    for column in head.itercols():
        if column.info.format is None and getattr(column, "dtype", np.dtype("O")).kind == "f":
            column.info.format = ".5g"  # of this slice only
    cells = zip(*(column.info.iter_str_vals() for column in head.itercols()), strict=True)
    left = len(data) - len(head)
    rest = paragraph(muted(f"and {left} more rows")) if left > 0 else ""
    shown = table([_heading(column) for column in data.itercols()], cells)
    return Html(f'<div class="wide">{shown}{rest}</div>')


def _row(tag: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _heading(column: object) -> Html:
    info = column.info  # type: ignore[attr-defined]
    unit = join(" ", muted(f"[{info.unit}]")) if info.unit else ""
    name = hint(info.name, info.description) if info.description else info.name
    return join(name, unit)
